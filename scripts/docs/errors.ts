import { CODES, type ErrorCode } from "../../src/kit/codes.ts";
import { made } from "./files.ts";

const FROM = "src/kit/codes.ts";

/** What exit codes mean that no error code stands for. */
const OTHERS: readonly (readonly [number, string])[] = [
  [0, "Done."],
  [64, "A template of `--format` does not parse, where docker has this code (`inspect`, `version`, `info`)."],
  [70, "A mistake in nought itself: please report it."],
  [125, "`nought run` failed before a container started, as docker has it."],
  [129, "Ended by HUP."],
  [130, "Ended by INT (ctrl-C)."],
  [141, "Nobody reads the output any more (PIPE)."],
  [143, "Ended by TERM."],
];

/** docs/errors/: a page for each error code and a list of them; docs/exit-codes.md. */
export function errorPages(): [string, string][] {
  const codes = Object.keys(CODES).sort() as ErrorCode[];
  const list = codes.map((code) => `| [${code}](${code}.md) | ${CODES[code].exit} | ${CODES[code].title} |`);
  const index = [
    `${made(FROM)}# Error codes`,
    "",
    "The code stands at the front of the last line of every error message.",
    "",
    "| code | exit | meaning |",
    "| --- | --- | --- |",
    ...list,
    "",
  ];
  const pages = codes.map((code): [string, string] => {
    const { exit, title, cure } = CODES[code];
    const text = `${made(FROM)}# ${code}\n\n${title}\n\n**What to do:** ${cure}\n\nExit code ${exit}; see [all error codes](README.md).\n`;
    return [`docs/errors/${code}.md`, text];
  });
  return [["docs/errors/README.md", index.join("\n")], ...pages, ["docs/exit-codes.md", exitCodes(codes)]];
}

function exitCodes(codes: readonly ErrorCode[]): string {
  const meanings = new Map<number, string[]>(OTHERS.map(([exit, text]) => [exit, [text]]));
  for (const code of codes) {
    const { exit, title } = CODES[code];
    meanings.set(exit, [...(meanings.get(exit) ?? []), `[${code}](errors/${code}.md): ${title}`]);
  }
  const rows = [...meanings].sort((a, b) => a[0] - b[0]).map(([exit, texts]) => `| ${exit} | ${texts.join("<br>")} |`);
  return [
    `${made(FROM)}# Exit codes`,
    "",
    "| exit | means |",
    "| --- | --- |",
    ...rows,
    "",
    "Why these numbers: [decisions/0002](decisions/0002-exit-codes.md).",
    "",
  ].join("\n");
}
