import { type CallArchitecture, syscallNumbers } from "../syscall-numbers.ts";
import {
  ACTION,
  answer,
  assemble,
  decide,
  type Instruction,
  ifAnyBit,
  ifAtLeast,
  ifEqual,
  loadArchitecture,
  loadArgument,
  loadNumber,
  type Span,
} from "./bpf.ts";
import type { ArgumentRule, Profile } from "./profile.ts";

const EPERM = 1;
const ENOSYS = 38;

/** AUDIT_ARCH_… of linux/audit.h. */
export const AUDIT: Readonly<Record<CallArchitecture, number>> = { x64: 0xc000003e, i386: 0x40000003, arm64: 0xc00000b7, arm: 0x40000028 };

/** Programs of these run on a machine of that architecture. */
export const RUNS: Readonly<Record<string, readonly CallArchitecture[]>> = { x64: ["x64", "i386"], arm64: ["arm64", "arm"] };

/** The third way to call x86-64's kernel. */
export const X32 = 0x40000000;

/** Compiles a profile for all programs that run on the architecture. Calls of any other architecture end the process. */
export function compileProfile(profile: Profile, architecture: CallArchitecture): Buffer {
  const parts = (RUNS[architecture] ?? [architecture]).map((one) => ifEqual(AUDIT[one], callsOf(profile, one)));
  return assemble([loadArchitecture, ...parts.flat(), answer(ACTION.kill)]);
}

/** Compiles a filter that has an action for these calls and says nothing of others. */
export function compileAnswers(actions: ReadonlyMap<string, number>, architecture: CallArchitecture): Buffer {
  const parts = (RUNS[architecture] ?? [architecture]).map((one) => {
    const numbers = syscallNumbers(one);
    const known = [...actions].flatMap(([name, action]): [number, number][] => {
      const number = numbers.get(name);
      return number === undefined ? [] : [[number, action]];
    });
    return ifEqual(AUDIT[one], [loadNumber, ...decide(spans(new Map(known)))]);
  });
  return assemble([loadArchitecture, ...parts.flat(), answer(ACTION.allow)]);
}

function callsOf(profile: Profile, architecture: CallArchitecture): readonly Instruction[] {
  const numbers = syscallNumbers(architecture);
  const rules = [...profile.rules].flatMap(([name, rule]) => {
    const number = numbers.get(name);
    return number === undefined ? [] : ifEqual(number, ruleOf(rule));
  });
  const x32 = architecture === "x64" ? ifAtLeast(X32, [answer(ACTION.errno(ENOSYS))]) : [];
  return [loadNumber, ...x32, ...rules, ...decide(callSpans(profile, numbers))];
}

/** Allowed numbers, refused ones, and after the last one those that are newer than we know. */
function callSpans(profile: Profile, numbers: ReadonlyMap<string, number>): readonly Span[] {
  const ordinary = [...numbers].filter(([, number]) => number < 0xf0000);
  const newest = Math.max(...ordinary.map(([, number]) => number));
  const actions = new Map<number, number>();
  for (const [name, number] of numbers) {
    if (profile.absent.has(name)) actions.set(number, ACTION.errno(ENOSYS));
    else if (!profile.refused.has(name) && !profile.rules.has(name)) actions.set(number, ACTION.allow);
  }
  const found: Span[] = [];
  const add = (from: number, action: number) => {
    if (found.at(-1)?.action !== action) found.push({ from, action });
  };
  for (let number = 0; number <= newest; number++) add(number, actions.get(number) ?? ACTION.errno(EPERM));
  add(newest + 1, ACTION.errno(ENOSYS));
  for (const number of [...actions.keys()].filter((one) => one > newest).sort((a, b) => a - b)) {
    add(number, actions.get(number) as number);
    if (!actions.has(number + 1)) add(number + 1, ACTION.errno(ENOSYS));
  }
  return found;
}

function spans(actions: ReadonlyMap<number, number>): readonly Span[] {
  const found: Span[] = [{ from: 0, action: ACTION.allow }];
  for (const [number, action] of [...actions].sort(([a], [b]) => a - b)) {
    if (found.at(-1)?.from === number) found.pop();
    if (found.at(-1)?.action !== action) found.push({ from: number, action });
    found.push({ from: number + 1, action: ACTION.allow });
  }
  return found;
}

function ruleOf({ argument, allowed }: ArgumentRule): readonly Instruction[] {
  const allow = [answer(ACTION.allow)];
  const refuse = answer(ACTION.errno(EPERM));
  const code: Instruction[] = [loadArgument(argument)];
  for (const test of allowed) {
    if ("equal" in test) code.push(...ifEqual(test.equal, allow));
    else if ("below" in test) code.push(...ifAtLeast(test.below, [[0x05, 0, 0, 1]]), ...allow);
    else code.push(...ifAnyBit(test.mask, [refuse]), ...allow);
  }
  return [...code, refuse];
}
