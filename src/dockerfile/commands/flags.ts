import { Mistake } from "../mistake.ts";
import { didYouMean } from "../suggest.ts";
import type { Instruction } from "../syntax.ts";

/** The flags that an instruction knows: one text, a list of texts, or true and false. */
export type FlagKinds = Readonly<Record<string, "text" | "texts" | "boolean">>;

type FlagValue<K> = K extends "text" ? string | undefined : K extends "texts" ? readonly string[] : boolean | undefined;
export type Flags<S extends FlagKinds> = { readonly [name in keyof S]: FlagValue<S[name]> };

/** Reads the flags of an instruction. Throws Mistake with docker's words for unknown and doubled ones and bad values. */
export function readFlags<S extends FlagKinds>(instruction: Instruction, kinds: S): Flags<S> {
  const known = new Map(Object.entries(kinds));
  const values = new Map<string, string | boolean | string[]>();
  for (const [name, kind] of known) if (kind === "texts") values.set(name, []);
  for (const flag of instruction.flags) {
    const equals = flag.indexOf("=");
    const name = flag.slice(2, equals < 0 ? undefined : equals);
    const value = equals < 0 ? undefined : flag.slice(equals + 1);
    const kind = known.get(name);
    if (kind === undefined) throw new Mistake(`unknown flag: --${name}${didYouMean(name, [...known.keys()])}`);
    if (kind === "texts") {
      if (value === undefined) throw new Mistake(`missing a value on flag: --${name}`);
      (values.get(name) as string[]).push(value);
      continue;
    }
    if (values.has(name)) throw new Mistake(`duplicate flag specified: --${name}`);
    if (kind === "text") {
      if (value === undefined) throw new Mistake(`missing a value on flag: --${name}`);
      values.set(name, value);
    } else values.set(name, truth(name, value));
  }
  return Object.fromEntries([...known.keys()].map((name) => [name, values.get(name)])) as Flags<S>;
}

function truth(name: string, value: string | undefined): boolean {
  if (value === "") throw new Mistake(`missing a value on flag: --${name}`);
  const lower = value?.toLowerCase() ?? "true";
  if (lower !== "true" && lower !== "false") throw new Mistake(`expecting boolean value for flag --${name}, not: ${value}`);
  return lower === "true";
}

/** Refuses every flag. */
export function noFlags(instruction: Instruction): void {
  readFlags(instruction, {});
}
