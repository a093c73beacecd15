import type { Command } from "./command.ts";
import type { Flag } from "./flags.ts";
import { GLOBAL } from "./table/format.ts";
import { COMMANDS, commandsOf, GROUPS, QUIET_GROUPS } from "./table/table.ts";
import { usageLine } from "./usage.ts";

/** Docker's names of flag types, as its help shows them. */
const TYPE_WORDS: Readonly<Record<Flag["type"], string>> = {
  bool: "",
  string: "string",
  list: "stringArray",
  csv: "strings",
  int: "int",
  map: "filter",
  optional: "string",
};

/** `nought CMD --help`. `width` is columns of the terminal. */
export function commandHelp(command: Command, path: string, width = 80): string {
  const lines = [usageLine(command, path), "", command.description];
  if (command.more) lines.push("", ...wrap(command.more, width));
  if (command.paths.length > 1) lines.push("", "Aliases:", `  ${command.paths.map((one) => `nought ${one}`).join(", ")}`);
  const flags = visible(command.flags);
  if (flags.length > 0) lines.push("", "Options:", ...flagLines(flags, width));
  return `${lines.join("\n")}\n`;
}

/** `nought image --help`. */
export function groupHelp(group: string): string {
  const rows = commandsOf(group).map(({ word, command }) => [word, command.description] as const);
  const lines = [`Usage:  nought ${group} COMMAND`, "", GROUPS[group] ?? "", "", "Commands:", ...columns(rows)];
  lines.push("", `Run 'nought ${group} COMMAND --help' for more information on a command.`);
  return `${lines.join("\n")}\n`;
}

/** `nought --help`. */
export function mainHelp(width = 80): string {
  const lines = ["Usage:  nought [OPTIONS] COMMAND", "", "Container images from nothing: no daemon, no root"];
  const tops = COMMANDS.filter((one) => !one.hidden).flatMap((command) => {
    const word = command.paths.find((path) => !path.includes(" "));
    return word === undefined ? [] : [{ word, command }];
  });
  const section = (title: string, rows: readonly (readonly [string, string])[]) => lines.push("", `${title}:`, ...columns(rows));
  section(
    "Common Commands",
    tops.filter((one) => one.command.section === "Common Commands").map(({ word, command }) => [word, command.description]),
  );
  section(
    "Management Commands",
    Object.entries(GROUPS).filter(([group]) => !QUIET_GROUPS.has(group)),
  );
  section(
    "Commands",
    tops
      .filter((one) => one.command.section === "Commands")
      .map(({ word, command }) => [word, command.description] as const)
      .sort((a, b) => (a[0] < b[0] ? -1 : 1)),
  );
  const version: Flag = { name: "version", short: "v", type: "bool", description: "Print version information and quit" };
  lines.push("", "Global Options:", ...flagLines([...GLOBAL, version], width));
  lines.push("", "Run 'nought COMMAND --help' for more information on a command.");
  return `${lines.join("\n")}\n`;
}

/** Flags that help shows, in the order of their names. */
export function visible(flags: readonly Flag[]): readonly Flag[] {
  return flags.filter((flag) => !flag.hidden).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The word for a flag's value in help; empty for switches. */
export function valueWord(flag: Flag): string {
  return flag.placeholder ?? TYPE_WORDS[flag.type];
}

/** A flag's description with its default, as help and manual show it. */
export function describe(flag: Flag): string {
  if (flag.default === undefined || flag.default === "") return flag.description;
  const value = flag.type === "string" ? `"${flag.default}"` : flag.default;
  return `${flag.description} (default ${value})`;
}

function flagLines(flags: readonly Flag[], width: number): string[] {
  const heads = flags.map((flag) => {
    const word = valueWord(flag);
    return `  ${flag.short === undefined ? "   " : `-${flag.short},`} --${flag.name}${word === "" ? "" : ` ${word}`}`;
  });
  const column = Math.max(...heads.map((head) => head.length)) + 3;
  // Where no sensible column is left beside the names, descriptions go below them.
  const below = width - column < 24;
  const indent = below ? Math.min(16, Math.max(0, width - 24)) : column;
  return flags.flatMap((flag, i) => {
    const text = describe(flag)
      .split("\n")
      .flatMap((line) => wrap(line, width - indent))
      .map((line) => " ".repeat(indent) + line);
    const head = heads[i] as string;
    return below ? [head, ...text] : [head + (text[0] as string).slice(head.length), ...text.slice(1)];
  });
}

/** Lines of at most `width` columns, broken at blanks; narrower than 24 nothing is broken. */
export function wrap(text: string, width: number): string[] {
  if (width < 24 || text.length <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length), 9) + 3;
  return rows.map(([name, text]) => `  ${name.padEnd(width)}${text}`);
}
