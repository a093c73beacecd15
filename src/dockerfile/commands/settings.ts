import { Mistake } from "../mistake.ts";
import { portProblem } from "../port.ts";
import { signalProblem } from "../signal.ts";
import { trim } from "../space.ts";
import type { Instruction } from "../syntax.ts";
import { noFlags } from "./flags.ts";
import type { Body } from "./read.ts";
import { judge, ownerProblem } from "./value.ts";

/** MAINTAINER, WORKDIR, USER and STOPSIGNAL take the whole line as one argument. */
function one(instruction: Instruction): string {
  const [argument, more] = instruction.args;
  if (argument === undefined || more !== undefined) {
    throw new Mistake(`${instruction.name.toUpperCase()} requires exactly one argument`);
  }
  noFlags(instruction);
  return argument;
}

/** MAINTAINER: one argument. */
export function readMaintainer(instruction: Instruction): Body<"maintainer"> {
  return { kind: "maintainer", name: one(instruction) };
}

/** WORKDIR: one argument. */
export function readWorkdir(instruction: Instruction): Body<"workdir"> {
  return { kind: "workdir", path: one(instruction) };
}

/** USER: one argument, `user[:group]`; numbers must fit an id where they are written out. */
export function readUser(instruction: Instruction): Body<"user"> {
  const user = one(instruction);
  judge(user, ownerProblem);
  return { kind: "user", user };
}

/** STOPSIGNAL: one argument, a name or a number of a signal. */
export function readStopSignal(instruction: Instruction): Body<"stopsignal"> {
  const signal = one(instruction);
  judge(signal, signalProblem);
  return { kind: "stopsignal", signal };
}

/** EXPOSE; the ports are sorted as docker keeps them. */
export function readExpose(instruction: Instruction): Body<"expose"> {
  if (instruction.args.length === 0) throw new Mistake("EXPOSE requires at least one argument");
  noFlags(instruction);
  for (const port of instruction.args) judge(port, portProblem);
  return { kind: "expose", ports: instruction.args.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)) };
}

/** VOLUME: at least one path. */
export function readVolume(instruction: Instruction): Body<"volume"> {
  if (instruction.args.length === 0) throw new Mistake("VOLUME requires at least one argument");
  noFlags(instruction);
  const paths = instruction.args.map(trim);
  if (paths.includes("")) throw new Mistake("VOLUME specified can not be an empty string");
  return { kind: "volume", paths };
}
