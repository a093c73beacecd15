import type { Command, KeyValue } from "../command.ts";
import { Mistake } from "../mistake.ts";
import type { Instruction } from "../syntax.ts";
import { noFlags } from "./flags.ts";
import type { Body } from "./read.ts";

/** ENV and LABEL: at least one pair, no blank names. */
export function readPairs(instruction: Instruction, kind: "env" | "label"): Body<"env" | "label"> {
  noFlags(instruction);
  const { args } = instruction;
  if (args.length === 0) throw new Mistake(`${kind.toUpperCase()} requires at least one argument`);
  const pairs: KeyValue[] = [];
  for (let at = 0; at + 2 < args.length; at += 3) {
    const key = args[at] as string;
    if (key === "") throw new Mistake(`${kind.toUpperCase()} names can not be blank`);
    pairs.push({ key, value: args[at + 1] as string, old: args[at + 2] === "" });
  }
  return { kind, pairs };
}

/** ARG: names with or without a default value. */
export function readArg(instruction: Instruction): Body<"arg"> {
  noFlags(instruction);
  if (instruction.args.length === 0) throw new Mistake("ARG requires at least one argument");
  const args: (Command & { kind: "arg" })["args"][number][] = [];
  for (const word of instruction.args) {
    const equals = word.indexOf("=");
    if (equals === 0) throw new Mistake("ARG names can not be blank");
    args.push(equals < 0 ? { key: word } : { key: word.slice(0, equals), value: word.slice(equals + 1) });
  }
  return { kind: "arg", args };
}
