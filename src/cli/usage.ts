import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Command } from "./command.ts";
import type { Flags } from "./flags.ts";
import { COMMANDS, commandsOf, GROUPS } from "./table/table.ts";

/** The line that every message about wrong usage ends with. */
export function usageLine(command: Command, path: string): string {
  return `Usage:  nought ${path}${command.usage === "" ? "" : ` ${command.usage}`}`;
}

/** Wrong flags or words: what is wrong, where to read on, and the usage line. Docker's form. */
export function usageFailure(command: Command, path: string, message: string, withDescription = false): Failure {
  const lines = [message, `See 'nought ${path} --help'.`, "", usageLine(command, path)];
  if (withDescription) lines.push("", command.description);
  return new Failure("USAGE", lines.join("\n"), command.usageExit === undefined ? {} : { exit: command.usageExit });
}

/** Throws USAGE when a command has too few or too many words, in docker's sentences. */
export function checkWords(command: Command, path: string, flags: Flags): void {
  const { min: least, max, orFlag } = command.positional;
  const given = orFlag !== undefined && flags.given(orFlag) ? 1 : 0;
  const count = flags.args.length + given;
  if (count >= least && (max === undefined || count <= max)) return;
  const words = (n: number) => `${n} argument${n === 1 ? "" : "s"}`;
  const rule =
    max === 0
      ? "accepts no arguments"
      : max === least
        ? `requires exactly ${words(least)}`
        : max === undefined
          ? `requires at least ${words(least)}`
          : least === 0
            ? `requires at most ${words(max)}`
            : `requires at least ${least} and at most ${words(max)}`;
  throw usageFailure(command, path, `"nought ${path}" ${rule}.`, true);
}

/** No such command: docker's sentence, and the nearest command where one is near. */
export function unknownCommand(words: readonly string[]): Failure {
  const said = printable(words.join(" ").slice(0, 100));
  const [first = "", second] = words;
  const group = second === undefined ? "nought" : `nought ${first}`;
  const near =
    second === undefined
      ? nearest(first, [...topWords(), ...Object.keys(GROUPS)])
      : nearest(
          second,
          commandsOf(first).map((one) => one.word),
        );
  const lines = [`nought: '${said}' is not a nought command.`];
  if (near) lines.push(`Did you mean '${group} ${near}'?`);
  lines.push(`See '${group} --help'.`);
  return new Failure("USAGE", lines.join("\n"));
}

/** Commands that are one word. */
function topWords(): string[] {
  return COMMANDS.filter((one) => !one.hidden).flatMap((one) => one.paths.filter((path) => !path.includes(" ")));
}

/** The candidate that differs least, if it differs little: at most a third of its letters. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 40) return undefined;
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const distance = editDistance(word, name);
    if (distance <= Math.max(1, Math.floor(name.length / 3)) && (!best || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] as number) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}
