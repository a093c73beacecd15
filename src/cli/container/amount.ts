import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** Bytes as docker's flags take them: `512m`, `1.5g`, `64kb`, `1KiB`. Throws USAGE. */
export function readBytes(text: string, flag: string): number {
  const [, number, unit = ""] = /^(\d{1,15}(?:\.\d{1,9})?) ?(?:([bkmgtp])(?:i?b)?)?$/i.exec(text.trim()) ?? [];
  if (number === undefined)
    throw new Failure("USAGE", `invalid argument "${printable(text)}" for "${flag}" flag: invalid size: '${printable(text)}'`);
  return Math.floor(Number(number) * (UNITS[unit.toLowerCase()] as number));
}

/** Permission bits in octal digits. Throws USAGE. */
export function readMode(text: string, flag: string): number {
  if (!/^[0-7]{1,5}$/.test(text))
    throw new Failure("USAGE", `invalid argument "${printable(text)}" for "${flag}" flag: no mode in octal digits`);
  return Number.parseInt(text, 8) & 0o7777;
}

/** `nofile=1024:2048` of `--ulimit`; −1 is no limit. Throws USAGE, in docker's words. */
export function readUlimit(text: string): { readonly name: string; readonly soft: number; readonly hard: number } {
  const wrong = (why: string) => new Failure("USAGE", `invalid argument "${printable(text)}" for "--ulimit" flag: ${why}`);
  const [name = "", limits, ...more] = text.split("=");
  if (limits === undefined || more.length > 0) throw wrong(`invalid ulimit argument: ${printable(text)}`);
  const numbers = limits.split(":");
  if (numbers.length > 2 || !numbers.every((one) => /^(?:-1|\d{1,15})$/.test(one)))
    throw wrong(`too many limit value arguments or no numbers`);
  const [soft = 0, hard = soft] = numbers.map(Number);
  if (hard !== -1 && (soft > hard || soft === -1))
    throw wrong(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name, soft, hard };
}

/** Number of processors: `1.5`. Throws USAGE. */
export function readCpus(text: string): number {
  if (!/^\d{1,6}(?:\.\d{1,9})?$/.test(text))
    throw new Failure("USAGE", `invalid argument "${printable(text)}" for "--cpus" flag: no number`);
  return Number(text);
}
