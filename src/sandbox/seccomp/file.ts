import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { kernelIsAtLeast } from "../kernel.ts";
import { type CallArchitecture, syscallNumbers } from "../syscall-numbers.ts";
import { ACTION, answer, assemble, decide, type Instruction, ifAtLeast, ifEqual, loadArchitecture, loadNumber, type Span } from "./bpf.ts";
import { type ArgumentTest, COMPARISONS, type Comparison, ifArgument } from "./compare.ts";
import { AUDIT, RUNS, X32 } from "./compile.ts";

/** A profile of system calls from a file in docker's form: an OCI profile whose rules may depend on capabilities and processor. */
export interface SeccompFile {
  readonly defaultAction: number;
  readonly rules: readonly FileRule[];
}

interface FileRule {
  readonly names: readonly string[];
  readonly action: number;
  /** All of them must hold. */
  readonly tests: readonly ArgumentTest[];
  readonly includes: Condition;
  readonly excludes: Condition;
}

interface Condition {
  readonly caps: readonly string[];
  readonly arches: readonly string[];
  readonly minKernel: string | undefined;
}

/** Bytes that such a file may have; docker's own has 17,000. */
const MAX_BYTES = Math.min(1 << 20, LIMITS.manifestBytes);
const MAX_RULES = 5000;

/** Names of linux/seccomp.h's answers in profiles. */
const ACTIONS: Readonly<Record<string, (number: number) => number>> = {
  SCMP_ACT_ALLOW: () => ACTION.allow,
  SCMP_ACT_ERRNO: (number) => ACTION.errno(number),
  SCMP_ACT_KILL: () => 0,
  SCMP_ACT_KILL_THREAD: () => 0,
  SCMP_ACT_KILL_PROCESS: () => ACTION.kill,
  SCMP_ACT_TRAP: () => 0x00030000,
  SCMP_ACT_LOG: () => 0x7ffc0000,
  SCMP_ACT_TRACE: (number) => 0x7ff00000 | number,
};

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a profile (`--security-opt seccomp=FILE`). Names of calls that are not known are passed over, as by docker. Throws USAGE for what
 * is no profile, and for answers that need somebody who is asked (SCMP_ACT_NOTIFY).
 */
export function readSeccompFile(text: string): SeccompFile {
  if (text.length > MAX_BYTES) throw new Failure("LIMIT", `the seccomp profile is longer than ${MAX_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw bad(`it is no JSON: ${(error as Error).message}`);
  }
  const profile = object(json, "the profile");
  const fallback = optionalNumber(profile["defaultErrnoRet"]) ?? 1;
  const calls = list(profile["syscalls"]);
  if (calls.length > MAX_RULES) throw bad(`it has ${calls.length} rules`);
  return {
    defaultAction: action(profile["defaultAction"], fallback),
    rules: calls.flatMap((one) => rulesOf(object(one, "a rule"), fallback)),
  };
}

function rulesOf(rule: Json, fallback: number): readonly FileRule[] {
  const names = texts(rule["names"]);
  if (typeof rule["name"] === "string") names.push(rule["name"]);
  const common = {
    names,
    action: action(rule["action"], optionalNumber(rule["errnoRet"]) ?? fallback),
    includes: condition(rule["includes"]),
    excludes: condition(rule["excludes"]),
  };
  const tests = list(rule["args"]).map((one) => test(object(one, "an argument")));
  // As libseccomp has it: tests of one argument are alternatives, tests of several belong together.
  const alternatives = new Set(tests.map(({ index }) => index)).size < tests.length;
  return alternatives ? tests.map((one) => ({ ...common, tests: [one] })) : [{ ...common, tests }];
}

function test(arg: Json): ArgumentTest {
  const index = optionalNumber(arg["index"]) ?? 0;
  const op = `${arg["op"]}`.replace(/^SCMP_CMP_/, "") as Comparison;
  if (!COMPARISONS.includes(op)) throw bad(`there is no comparison ${printable(`${arg["op"]}`)}`);
  if (!Number.isInteger(index) || index < 0 || index > 5) throw bad(`no system call has an argument ${index}`);
  return { index, op, value: wide(arg["value"]), valueTwo: wide(arg["valueTwo"]) };
}

function condition(value: unknown): Condition {
  const json = value === undefined || value === null ? {} : object(value, "a condition");
  const { minKernel } = json;
  return { caps: texts(json["caps"]), arches: texts(json["arches"]), minKernel: typeof minKernel === "string" ? minKernel : undefined };
}

function action(value: unknown, number: number): number {
  const make = typeof value === "string" && Object.hasOwn(ACTIONS, value) ? ACTIONS[value] : undefined;
  if (!make) throw bad(`${printable(String(value))} is no answer that can be given here`);
  if (!Number.isInteger(number) || number < 0 || number > 4095) throw bad(`${number} is no error number`);
  return make(number);
}

function wide(value: unknown): bigint {
  return typeof value === "number" && Number.isInteger(value) ? BigInt.asUintN(64, BigInt(value)) : 0n;
}

const optionalNumber = (value: unknown) => (typeof value === "number" ? value : undefined);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const texts = (value: unknown): string[] => list(value).filter((one) => typeof one === "string");

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(`${what} is no object`);
  return value as Json;
}

function bad(what: string): Failure {
  return new Failure("USAGE", `the seccomp profile cannot be used: ${what}`, {
    hint: "docs.docker.com/engine/security/seccomp has the form.",
  });
}

/** Go's names of the processors. */
const GO: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Compiles it for a process with these capabilities on this kernel. A rule without tests counts only where none with tests applies. */
export function compileFile(file: SeccompFile, capabilities: readonly string[], architecture: CallArchitecture, kernel: string): Buffer {
  const applies = ({ includes, excludes }: FileRule) =>
    includes.caps.every((cap) => capabilities.includes(cap)) &&
    (includes.arches.length === 0 || includes.arches.includes(GO[architecture] ?? "")) &&
    (includes.minKernel === undefined || isAtLeast(kernel, includes.minKernel)) &&
    !excludes.caps.some((cap) => capabilities.includes(cap)) &&
    !excludes.arches.includes(GO[architecture] ?? "") &&
    (excludes.minKernel === undefined || !isAtLeast(kernel, excludes.minKernel));
  const rules = file.rules.filter(applies);
  const parts = (RUNS[architecture] ?? [architecture]).map((one) => ifEqual(AUDIT[one], callsOf(file, rules, one)));
  return assemble([loadArchitecture, ...parts.flat(), answer(ACTION.kill)]);
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split(".").map(Number);
  return kernelIsAtLeast(major, minor, kernel);
}

function callsOf(file: SeccompFile, rules: readonly FileRule[], architecture: CallArchitecture): readonly Instruction[] {
  const { defaultAction } = file;
  const numbers = syscallNumbers(architecture);
  const plain = new Map<number, number>();
  const tested = new Map<number, Instruction[]>();
  for (const { names, action: given, tests } of rules) {
    for (const name of names) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      if (tests.length === 0) {
        if (!plain.has(number)) plain.set(number, given);
      } else {
        const code = tests.reduceRight((then: readonly Instruction[], one) => ifArgument(one, then), [answer(given)]);
        tested.set(number, [...(tested.get(number) ?? []), ...code]);
      }
    }
  }
  const special = [...tested].flatMap(([number, code]) => ifEqual(number, [...code, answer(plain.get(number) ?? defaultAction)]));
  const x32 = architecture === "x64" ? ifAtLeast(X32, [answer(ACTION.errno(38))]) : [];
  return [loadNumber, ...x32, ...special, ...decide(spans(plain, defaultAction, newest(file, numbers)))];
}

/** The last call that the profile's author knew of. */
function newest({ rules }: SeccompFile, numbers: ReadonlyMap<string, number>): number {
  return rules
    .flatMap(({ names }) => names.map((name) => numbers.get(name) ?? 0))
    .filter((one) => one < 0xf0000)
    .reduce((a, b) => Math.max(a, b), 0);
}

/** What comes after the last known call is told not to exist, as runc does, where calls are refused otherwise. */
function spans(plain: ReadonlyMap<number, number>, otherwise: number, last: number): readonly Span[] {
  const found: Span[] = [{ from: 0, action: otherwise }];
  for (const [number, action] of [...plain].sort(([a], [b]) => a - b)) {
    if (found.at(-1)?.from === number) found.pop();
    if (found.at(-1)?.action !== action) found.push({ from: number, action });
    found.push({ from: number + 1, action: otherwise });
  }
  const refuses = (otherwise & 0xffff0000) === (ACTION.errno(0) & 0xffff0000);
  if (refuses && last > 0 && found.at(-1)?.from === last + 1) found[found.length - 1] = { from: last + 1, action: ACTION.errno(38) };
  else if (refuses && last > 0 && (found.at(-1)?.from ?? 0) <= last) found.push({ from: last + 1, action: ACTION.errno(38) });
  return found;
}
