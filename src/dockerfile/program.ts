import { Failure } from "../kit/error.ts";
import type { SourceSpan } from "../kit/span.ts";
import type { Command, Program, Stage } from "./command.ts";
import { readFrom } from "./commands/from.ts";
import { readCommand } from "./commands/read.ts";
import { Faults, Mistake } from "./mistake.ts";
import { parseDockerfile } from "./parse.ts";
import type { Instruction, Syntax } from "./syntax.ts";

type Arg = Program["globals"][number];
type Open = Omit<Stage, "commands"> & { readonly commands: Command[] };

/**
 * Types every instruction of a Dockerfile and sorts them into stages, as BuildKit's `instructions.Parse` does. Never
 * throws for bad input: `errors` holds those of the syntax and what is wrong with instructions and flags, by line.
 * Values that hold variables are not judged; those without are.
 */
export function toProgram(syntax: Syntax): Program {
  const faults = new Faults(syntax.file, syntax.lines);
  const globals: Arg[] = [];
  const stages: Open[] = [];
  let outside = false;
  for (const instruction of syntax.instructions) {
    if (faults.full) break;
    const { line, endLine } = instruction.span;
    if (instruction.name === "from") {
      const index = stages.length;
      const head = faults.attempt(line, endLine, () => readFrom(instruction, index));
      // A stage whose head is wrong still holds what follows, so that one mistake gives one message.
      stages.push({ ...(head ?? substitute(instruction, index)), commands: [] });
      continue;
    }
    const command = faults.attempt(line, endLine, () => readCommand(instruction));
    if (command === undefined) continue;
    const stage = stages.at(-1);
    if (stage) stage.commands.push(command);
    else if (command.kind === "arg") globals.push(command as Arg);
    else if (!outside) {
      outside = true;
      const hint = "Only ARG may stand before the first FROM.";
      faults.add(line, endLine, new Mistake("no build stage in current context", hint));
    }
  }
  const last = syntax.instructions.at(-1);
  if (last && stages.length === 0 && !outside) {
    const hint = "A Dockerfile needs a FROM, for example `FROM scratch`.";
    faults.add(last.span.line, last.span.endLine, new Mistake("dockerfile contains no stages to build", hint));
  }
  judgeStageNumbers(stages, faults);
  const errors = [...syntax.errors, ...faults.list].sort((a, b) => (a.source?.line ?? 0) - (b.source?.line ?? 0));
  return { syntax, globals, stages, errors };
}

function substitute(instruction: Instruction, index: number): Omit<Stage, "commands"> {
  return { index, base: instruction.args[0] ?? "", instruction, span: instruction.span };
}

/** `--from=3` must be the number of a stage that is there, and not the stage itself. */
function judgeStageNumbers(stages: readonly Stage[], faults: Faults): void {
  for (const stage of stages) {
    for (const command of stage.commands) {
      const from = command.kind === "copy" ? command.from : undefined;
      if (from === undefined) continue;
      const { line, endLine } = command.span;
      const index = /^[-+]?\d+$/.test(from) ? Number(from) : undefined;
      if (from.toLowerCase() === stage.name || index === stage.index) {
        faults.add(line, endLine, new Mistake(`circular dependency detected on stage: ${stage.name ?? stage.index}`));
      } else if (index !== undefined && !(index >= 0 && index < stages.length)) {
        const hint = `This file has the stages 0 to ${stages.length - 1}.`;
        faults.add(line, endLine, new Mistake(`invalid stage index ${from}`, hint));
      }
    }
  }
}

/**
 * Reads an ONBUILD trigger that an image brings along. `span` is where the FROM stands that asks for the image. Throws
 * Failure SYNTAX for text that is no instruction, or one that may not be a trigger.
 */
export function parseTrigger(expression: string, span: SourceSpan): Command {
  const syntax = parseDockerfile(expression, span.file);
  const wrong = (why: string): Failure => new Failure("SYNTAX", `the base image brings a broken ONBUILD trigger: ${why}`, { source: span });
  if (syntax.errors[0]) throw wrong(syntax.errors[0].message);
  const found = syntax.instructions[0] as Instruction;
  if (["from", "onbuild", "maintainer"].includes(found.name)) {
    throw wrong(`${found.name.toUpperCase()} isn't allowed as an ONBUILD trigger`);
  }
  try {
    return readCommand({ ...found, span });
  } catch (error) {
    throw error instanceof Mistake ? wrong(error.message) : error;
  }
}
