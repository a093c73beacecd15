import type { Stage } from "../command.ts";
import { Mistake } from "../mistake.ts";
import { quote } from "../quote.ts";
import type { Instruction } from "../syntax.ts";
import { readFlags } from "./flags.ts";

/** `FROM [--platform=P] BASE [AS NAME]`: the head of a stage, with docker's reading of names and its messages. */
export function readFrom(instruction: Instruction, index: number): Omit<Stage, "commands"> {
  const name = stageName(instruction.args);
  const { platform } = readFlags(instruction, { platform: "text" });
  const base = instruction.args[0] as string;
  if (base !== "scratch" && /^(?:docker\.io\/)?(?:library\/)?scratch(?:[:@].*)?$/.test(base)) {
    const message = `FROM ${base}: 'scratch' is a reserved name; it is no image and has no tags or digests`;
    throw new Mistake(message, "Write `FROM scratch` to start from nothing.", "RESERVED");
  }
  return {
    index,
    ...(name === undefined ? {} : { name }),
    base,
    ...(platform ? { platform } : {}),
    instruction,
    span: instruction.span,
  };
}

function stageName(args: readonly string[]): string | undefined {
  if (args.length === 1) return undefined;
  if (args.length !== 3 || args[1]?.toLowerCase() !== "as") throw new Mistake("FROM requires either one or three arguments");
  const given = args[2] as string;
  const name = given.toLowerCase();
  if (!/^[a-z][a-z0-9\-_.]*$/.test(name)) {
    throw new Mistake(`invalid name for build stage: ${quote(given)}, name can't start with a number or contain symbols`);
  }
  if (name === "scratch") {
    const message = "invalid name for build stage: 'scratch' is a reserved name";
    throw new Mistake(message, "Give the stage another name: `FROM scratch` and `--from=scratch` would not mean it.", "RESERVED");
  }
  return name;
}
