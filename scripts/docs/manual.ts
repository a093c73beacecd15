import type { Command } from "../../src/cli/command.ts";
import type { Flag } from "../../src/cli/flags.ts";
import { describe, valueWord, visible } from "../../src/cli/help.ts";
import { GLOBAL } from "../../src/cli/table/format.ts";
import { COMMANDS } from "../../src/cli/table/table.ts";
import { CODES } from "../../src/kit/codes.ts";

/** Variables that nought reads. */
const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["NOUGHT_STORE", "Folder of the local store, like --store."],
  ["XDG_DATA_HOME", "The store is its subfolder nought; by default $HOME/.local/share/nought."],
  ["SOURCE_DATE_EPOCH", "Seconds since 1970: the time stamp of everything in a built image."],
  ["BUILDKIT_PROGRESS", "Type of progress output, like build --progress."],
  ["NO_COLOR", "When not empty, progress is shown without colours."],
  ["NOUGHT_DEBUG", "1 shows where in nought an error came from, like --debug."],
  ["NOUGHT_NODE", "The Node to run on."],
];

/** The manual page nought(1) in man(7) macros. */
export function manual(): string {
  const shown = COMMANDS.filter((one) => !one.hidden).sort((a, b) => (a.paths[0] < b.paths[0] ? -1 : 1));
  const exits = new Map<number, string>();
  for (const { exit, title } of Object.values(CODES)) exits.set(exit, `${exits.get(exit) ?? ""} ${title}`.trim());
  const lines = [
    '.\\" Made by scripts/docs.ts from src/cli/table/: change that, then run `npm run docs`.',
    '.TH NOUGHT 1 "" nought "Container images from nothing"',
    ".SH NAME",
    "nought \\- build, store and move container images without a daemon and without root",
    ".SH SYNOPSIS",
    ".B nought",
    "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARG\\fR...]",
    ".SH DESCRIPTION",
    "nought makes OCI images from Dockerfiles, keeps them in a local store, and reads and writes archives that other tools understand.",
    "Its commands, flags and messages are docker's.",
    ".SH OPTIONS",
    ...GLOBAL.flatMap(option),
    ".SH COMMANDS",
    ...shown.flatMap(command),
    ".SH EXIT STATUS",
    ...item("0", "Done."),
    ...[...exits].sort((a, b) => a[0] - b[0]).flatMap(([exit, text]) => item(String(exit), text)),
    ...item("70", "A mistake in nought itself."),
    ...item("125", "run failed before a container started."),
    ...item("129, 130, 141, 143", "Ended by HUP, INT, PIPE, TERM."),
    ".SH ENVIRONMENT",
    ...ENVIRONMENT.flatMap(([name, text]) => item(name, text)),
    ".SH SEE ALSO",
    ".BR docker (1),",
    ".BR podman (1),",
    ".BR skopeo (1)",
  ];
  return `${lines.join("\n")}\n`;
}

function command(one: Command): string[] {
  const lines = [`.SS nought ${escape(one.paths[0])} ${escape(one.usage)}`.trimEnd(), plain(`${one.description}.`)];
  if (one.more) lines.push(".PP", plain(one.more));
  if (one.paths.length > 1)
    lines.push(
      ".PP",
      `Also: ${one.paths
        .slice(1)
        .map((path) => `\\fBnought ${escape(path)}\\fR`)
        .join(", ")}`,
    );
  return [...lines, ...visible(one.flags).flatMap(option)];
}

function option(flag: Flag): string[] {
  const word = valueWord(flag);
  const short = flag.short === undefined ? "" : `\\fB\\-${flag.short}\\fR, `;
  const value = word === "" ? "" : ` \\fI${escape(word)}\\fR`;
  return [
    ".TP",
    `${short}\\fB${escape(`--${flag.name}`)}\\fR${value}`,
    ...describe(flag)
      .split("\n")
      .flatMap((line, i) => (i === 0 ? [plain(line)] : [".br", plain(line)])),
  ];
}

function item(name: string, text: string): string[] {
  return [".TP", `\\fB${escape(name)}\\fR`, plain(text)];
}

/** Text that roff shall take as it is. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}

/** The same at the beginning of a line, where a dot or an apostrophe would be a request. */
function plain(text: string): string {
  return escape(text).replace(/^([.'])/, "\\&$1");
}
