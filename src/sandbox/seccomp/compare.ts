import type { Instruction } from "./bpf.ts";

/** How an argument is compared: libseccomp's names of OCI profiles, runtime-spec config-linux.md. */
export const COMPARISONS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** A test of all 64 bits of an argument. */
export interface ArgumentTest {
  readonly index: number;
  readonly op: Comparison;
  /** For MASKED_EQ the mask. */
  readonly value: bigint;
  /** For MASKED_EQ what the masked argument must be. */
  readonly valueTwo: bigint;
}

const LOAD = 0x20;
const AND = 0x54;
const EQUAL = 0x15;
const GREATER = 0x25;
const AT_LEAST = 0x35;

/** A jump's aim: the next step, a step further on, or where the test holds or fails. */
type Aim = number | "holds" | "fails";
type Step = readonly [code: number, operand: number, ifTrue?: Aim, ifFalse?: Aim];

const low = (value: bigint) => Number(value & 0xffffffffn);
const high = (value: bigint) => Number((value >> 32n) & 0xffffffffn);

/** `then` where the test holds, else what follows. `then` must be short: it is jumped over in one step. */
export function ifArgument(test: ArgumentTest, then: readonly Instruction[]): readonly Instruction[] {
  const steps = stepsOf(test);
  return [
    ...steps.map(([code, operand, ifTrue = 0, ifFalse = 0], at): Instruction => {
      const way = (aim: Aim) => (typeof aim === "number" ? aim : steps.length - at - 1 + (aim === "holds" ? 0 : then.length));
      const [yes, no] = [way(ifTrue), way(ifFalse)];
      if (yes > 255 || no > 255) throw new Error("a rule of a filter is too long");
      return [code, yes, no, operand];
    }),
    ...then,
  ];
}

/** The upper half comes first, and where it is the same, the lower one decides. Numbers are little-endian. */
function stepsOf({ index, op, value, valueTwo }: ArgumentTest): readonly Step[] {
  const upper = 16 + 8 * index + 4;
  const lower = 16 + 8 * index;
  const ordered = (code: number, holds: Aim, fails: Aim): readonly Step[] => [
    [LOAD, upper],
    [GREATER, high(value), holds, 0],
    [EQUAL, high(value), 0, fails],
    [LOAD, lower],
    [code, low(value), holds, fails],
  ];
  switch (op) {
    case "GE":
      return ordered(AT_LEAST, "holds", "fails");
    case "GT":
      return ordered(GREATER, "holds", "fails");
    case "LT":
      return ordered(AT_LEAST, "fails", "holds");
    case "LE":
      return ordered(GREATER, "fails", "holds");
    case "NE":
      return [
        [LOAD, upper],
        [EQUAL, high(value), 0, "holds"],
        [LOAD, lower],
        [EQUAL, low(value), "fails", "holds"],
      ];
    case "EQ":
      return [
        [LOAD, upper],
        [EQUAL, high(value), 0, "fails"],
        [LOAD, lower],
        [EQUAL, low(value), "holds", "fails"],
      ];
    case "MASKED_EQ":
      return [
        [LOAD, upper],
        [AND, high(value)],
        [EQUAL, high(valueTwo), 0, "fails"],
        [LOAD, lower],
        [AND, low(value)],
        [EQUAL, low(valueTwo), "holds", "fails"],
      ];
  }
}
