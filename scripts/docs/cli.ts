import type { Command } from "../../src/cli/command.ts";
import type { Flag } from "../../src/cli/flags.ts";
import { describe, valueWord, visible } from "../../src/cli/help.ts";
import { GLOBAL } from "../../src/cli/table/format.ts";
import { COMMANDS } from "../../src/cli/table/table.ts";
import { made } from "./files.ts";

const FROM = "src/cli/table/";

/** docs/cli/: a page for each command and a list of them. */
export function cliPages(): [string, string][] {
  const shown = COMMANDS.filter((one) => !one.hidden).sort((a, b) => (main(a) < main(b) ? -1 : 1));
  const rows = shown.map((one) => `| [\`nought ${main(one)}\`](${fileOf(one)}) | ${aliases(one)} | ${one.description} |`);
  const index = [
    `${made(FROM)}# Commands`,
    "",
    "| command | also | what it does |",
    "| --- | --- | --- |",
    ...rows,
    "",
    "Flags of every command:",
    "",
    ...flagTable(GLOBAL),
    "",
    "Exit codes are in [exit-codes.md](../exit-codes.md).",
    "",
  ];
  return [["docs/cli/README.md", index.join("\n")], ...shown.map((one): [string, string] => [`docs/cli/${fileOf(one)}`, page(one)])];
}

function page(command: Command): string {
  const lines = [`${made(FROM)}# nought ${main(command)}`, "", `${command.description}.`];
  if (command.more) lines.push("", command.more);
  lines.push("", "```", `nought ${main(command)} ${command.usage}`.trimEnd(), "```");
  if (command.paths.length > 1) lines.push("", `Also: ${aliases(command)}.`);
  const flags = visible(command.flags);
  if (flags.length > 0) lines.push("", "## Options", "", ...flagTable(flags));
  const hidden = command.flags.filter((one) => one.hidden);
  if (hidden.length > 0)
    lines.push("", "## Taken for the sake of other tools", "", ...flagTable(visible(hidden.map((one) => ({ ...one, hidden: false })))));
  return `${lines.join("\n")}\n`;
}

/** The name under which a command is filed. */
function main(command: Command): string {
  return command.paths[0];
}

function fileOf(command: Command): string {
  return `${main(command).replaceAll(" ", "-")}.md`;
}

function aliases(command: Command): string {
  return command.paths
    .slice(1)
    .map((path) => `\`nought ${path}\``)
    .join(", ");
}

function flagTable(flags: readonly Flag[]): string[] {
  const rows = flags.map((flag) => {
    const word = valueWord(flag);
    const name = `${flag.short === undefined ? "" : `-${flag.short}, `}--${flag.name}${word === "" ? "" : ` ${word}`}`;
    return `| \`${name}\` | ${describe(flag).replaceAll("|", "\\|").replaceAll("\n", "<br>")} |`;
  });
  return ["| option | what it does |", "| --- | --- |", ...rows];
}
