import type { Command } from "../command.ts";
import { INSTRUCTIONS } from "../instruction.ts";
import { Mistake } from "../mistake.ts";
import { didYouMean } from "../suggest.ts";
import type { Instruction } from "../syntax.ts";
import { readAdd, readCopy } from "./files.ts";
import { readCmd, readHealthcheck, readShell } from "./lines.ts";
import { readOnbuild } from "./onbuild.ts";
import { readArg, readPairs } from "./pairs.ts";
import { readRun } from "./run.ts";
import { readExpose, readMaintainer, readStopSignal, readUser, readVolume, readWorkdir } from "./settings.ts";

/** A command without the place it came from. */
export type Body<K extends Command["kind"] = Command["kind"]> = Own<Extract<Command, { readonly kind: K }>>;
type Own<C> = C extends unknown ? Omit<C, "instruction" | "span"> : never;

/** Types and checks one instruction other than FROM. Throws Mistake with docker's words. */
export function readCommand(instruction: Instruction): Command {
  return { instruction, span: instruction.span, ...body(instruction) } as Command;
}

function body(instruction: Instruction): Body {
  switch (instruction.name) {
    case "add":
      return readAdd(instruction);
    case "arg":
      return readArg(instruction);
    case "cmd":
    case "entrypoint":
      return readCmd(instruction, instruction.name);
    case "copy":
      return readCopy(instruction);
    case "env":
    case "label":
      return readPairs(instruction, instruction.name);
    case "expose":
      return readExpose(instruction);
    case "healthcheck":
      return readHealthcheck(instruction);
    case "maintainer":
      return readMaintainer(instruction);
    case "onbuild":
      return readOnbuild(instruction, readCommand);
    case "run":
      return readRun(instruction);
    case "shell":
      return readShell(instruction);
    case "stopsignal":
      return readStopSignal(instruction);
    case "user":
      return readUser(instruction);
    case "volume":
      return readVolume(instruction);
    case "workdir":
      return readWorkdir(instruction);
    default:
      throw new Mistake(`unknown instruction: ${instruction.keyword}${didYouMean(instruction.keyword, INSTRUCTIONS)}`);
  }
}
