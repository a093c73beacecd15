import type { CommandLine } from "../command.ts";
import { parseDuration } from "../duration.ts";
import { Mistake } from "../mistake.ts";
import { quote } from "../quote.ts";
import type { Instruction } from "../syntax.ts";
import { noFlags, readFlags } from "./flags.ts";
import type { Body } from "./read.ts";

/** The command of RUN, CMD, ENTRYPOINT: words of the exec form, or the one line of the shell form, "" where it is missing. */
export function commandLine(instruction: Instruction, args: readonly string[] = instruction.args): CommandLine {
  if (instruction.json) return { shell: false, words: args, heredocs: [] };
  return { shell: true, words: [args.join(" ")], heredocs: instruction.heredocs };
}

/** CMD and ENTRYPOINT: exec or shell form, no flags. */
export function readCmd(instruction: Instruction, kind: "cmd" | "entrypoint"): Body<"cmd" | "entrypoint"> {
  noFlags(instruction);
  return { kind, line: commandLine(instruction) };
}

/** SHELL has the JSON form only. */
export function readShell(instruction: Instruction): Body<"shell"> {
  noFlags(instruction);
  if (instruction.args.length === 0) throw new Mistake("SHELL requires at least one argument");
  if (!instruction.json) {
    throw new Mistake("SHELL requires the arguments to be in JSON form", 'For example SHELL ["/bin/sh", "-c"].');
  }
  return { kind: "shell", words: instruction.args };
}

/** Docker takes no check interval below this, in nanoseconds. */
const LEAST = 1_000_000;

/** HEALTHCHECK NONE, or CMD with its timing. */
export function readHealthcheck(instruction: Instruction): Body<"healthcheck"> {
  const [given, ...args] = instruction.args;
  if (given === undefined) throw new Mistake("HEALTHCHECK requires at least one argument");
  const flags = readFlags(instruction, {
    interval: "text",
    timeout: "text",
    "start-period": "text",
    "start-interval": "text",
    retries: "text",
  });
  const type = given.toUpperCase();
  if (type === "NONE") {
    if (args.length > 0) throw new Mistake("HEALTHCHECK NONE takes no arguments");
    return { kind: "healthcheck" };
  }
  if (type !== "CMD") throw new Mistake(`Unknown type ${quote(type)} in HEALTHCHECK (try CMD)`);
  if (args.length === 0) throw new Mistake("Missing command after HEALTHCHECK CMD");
  const time = (name: "interval" | "timeout" | "start-period" | "start-interval"): number => {
    const text = flags[name];
    const nanoseconds = text ? parseDuration(text) : 0;
    if (nanoseconds !== 0 && nanoseconds < LEAST) throw new Mistake(`Interval ${quote(name)} cannot be less than 1ms`);
    return nanoseconds;
  };
  const set = <K extends string>(name: K, value: number): { readonly [key in K]?: number } =>
    value === 0 ? {} : ({ [name]: value } as { readonly [key in K]?: number });
  return {
    kind: "healthcheck",
    line: commandLine(instruction, args),
    ...set("interval", time("interval")),
    ...set("timeout", time("timeout")),
    ...set("startPeriod", time("start-period")),
    ...set("startInterval", time("start-interval")),
    ...set("retries", retries(flags.retries)),
  };
}

function retries(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  if (!/^[-+]?\d+$/.test(text)) throw new Mistake(`--retries must be a whole number, not ${quote(text)}`);
  const count = Number(text);
  if (count < 0) throw new Mistake(`--retries cannot be negative (${count})`);
  if (count > 2_147_483_647) throw new Mistake(`--retries is at most 2147483647, not ${text}`);
  return count;
}
