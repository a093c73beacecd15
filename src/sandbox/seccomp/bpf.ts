/**
 * Programs of classic BPF as seccomp(2) takes them: instructions of u16 code, u8 steps if true, u8 steps if false, u32 operand.
 * Jumps only lead forward, and by at most 255 steps; the builders below see to both.
 */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

const LOAD = 0x20;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

/** What a filter says of a call. */
export const ACTION = {
  allow: 0x7fff0000,
  /** A process that holds the filter's listener answers. */
  notify: 0x7fc00000,
  kill: 0x80000000,
  errno: (number: number) => (0x00050000 | number) >>> 0,
} as const;

/** Offsets into struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argumentOffset = (index: number) => 16 + 8 * index;

/** The kernel takes no longer program. */
export const MAX_INSTRUCTIONS = 4096;

export const loadNumber: Instruction = [LOAD, 0, 0, NUMBER];
export const loadArchitecture: Instruction = [LOAD, 0, 0, ARCHITECTURE];
/** The lower half of an argument: little-endian. */
export const loadArgument = (index: number): Instruction => [LOAD, 0, 0, argumentOffset(index)];
/** Ends the program. */
export const answer = (action: number): Instruction => [RETURN, 0, 0, action];

/** `then` if the loaded value is the operand, else what follows. */
export function ifEqual(operand: number, then: readonly Instruction[]): readonly Instruction[] {
  return branch(JUMP_EQUAL, operand, then);
}

/** `then` if it is at least the operand, else what follows. */
export function ifAtLeast(operand: number, then: readonly Instruction[]): readonly Instruction[] {
  return branch(JUMP_AT_LEAST, operand, then);
}

/** `then` if it has any of the operand's bits, else what follows. */
export function ifAnyBit(operand: number, then: readonly Instruction[]): readonly Instruction[] {
  return branch(JUMP_ANY_BIT, operand, then);
}

function branch(code: number, operand: number, then: readonly Instruction[]): readonly Instruction[] {
  return then.length <= 255 ? [[code, 0, then.length, operand], ...then] : [[code, 1, 0, operand], [JUMP, 0, 0, then.length], ...then];
}

/** Values from `from` on, up to the next span's, have one action. */
export interface Span {
  readonly from: number;
  readonly action: number;
}

/** Decides by the loaded value with a tree of comparisons. Spans are in order, the first from 0. */
export function decide(spans: readonly Span[]): readonly Instruction[] {
  const [first] = spans;
  if (!first) throw new Error("nothing to decide by");
  if (spans.length === 1) return [answer(first.action)];
  const half = spans.length >> 1;
  const middle = spans[half] as Span;
  return [...ifAtLeast(middle.from, decide(spans.slice(half))), ...decide(spans.slice(0, half))];
}

/** The bytes of a program. Throws for one that the kernel would not take. */
export function assemble(program: readonly Instruction[]): Buffer {
  if (program.length > MAX_INSTRUCTIONS) throw new Error(`a filter of ${program.length} instructions is too long`);
  const bytes = Buffer.alloc(8 * program.length);
  for (const [at, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * at);
    bytes[8 * at + 2] = ifTrue;
    bytes[8 * at + 3] = ifFalse;
    bytes.writeUInt32LE(operand, 8 * at + 4);
  }
  return bytes;
}
