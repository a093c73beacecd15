import type { Command } from "../command.ts";
import type { Flag } from "../flags.ts";
import { describe, visible } from "../help.ts";
import { GLOBAL } from "../table/format.ts";
import { COMMANDS, commandsOf, findCommand, GROUPS, QUIET_GROUPS } from "../table/table.ts";
import { SHELLS } from "./scripts.ts";

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** What fits the last of the words: candidates, or what the shell or the store must be asked for. */
export type Answer = { readonly candidates: readonly Candidate[] } | { readonly ask: "files" | "folders" | "images" | "containers" };

/** Values that some flags take. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  progress: ["auto", "plain", "tty", "rawjson", "quiet", "none"],
  call: ["build", "check", "outline", "targets"],
  print: ["syntax", "plan", "keys", "manifest"],
  network: ["default", "none", "host"],
  compression: ["uncompressed", "gzip", "zstd"],
};
const FILES = new Set(["file", "dockerfile", "iidfile", "metadata-file", "digest-file", "input", "output", "tar-path"]);
const FOLDERS = new Set(["store", "context"]);

/** Looks at the words typed so far; the last is the one being typed, perhaps empty. Pure. */
export function complete(words: readonly string[]): Answer {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const place = commandAt(before);
  if (place === "nowhere") return fit(topLevel(), typed);
  if (!place) return { candidates: [] };
  if (place.group !== undefined) {
    return fit(
      commandsOf(place.group).map(({ word, command }) => ({ word, description: command.description })),
      typed,
    );
  }
  const { command, rest } = place;
  const flags = [...command.flags, ...GLOBAL.filter((one) => !command.flags.some((own) => own.name === one.name))];
  const open = rest.includes("--") ? undefined : waiting(flags, rest.at(-1));
  if (open) return valueOf(open, command, typed, "");
  const equals = /^--([a-z-]+)=(.*)$/s.exec(typed);
  const named = equals && flags.find((flag) => flag.name === equals[1]);
  if (named) return valueOf(named, command, equals[2] as string, `--${named.name}=`);
  if (typed.startsWith("-") && !rest.includes("--")) return fit(flagCandidates(flags), typed);
  return wordsOf(command, typed);
}

type At =
  | { readonly group: string; readonly command?: undefined; readonly rest?: undefined }
  | { readonly group?: undefined; readonly command: Command; readonly rest: readonly string[] };

/** The command that the words have settled on, past global flags; nowhere before the first, undefined where there is none such. */
function commandAt(words: readonly string[]): At | "nowhere" | undefined {
  let at = 0;
  while (words[at]?.startsWith("-")) at += words[at] === "--store" ? 2 : 1;
  if (words[at] === "help") at++;
  const [first, second] = words.slice(at);
  if (first === undefined) return "nowhere";
  if (!Object.hasOwn(GROUPS, first)) {
    const command = findCommand(first);
    return command && { command, rest: words.slice(at + 1) };
  }
  if (second === undefined) return { group: first };
  const command = findCommand(`${first} ${second}`);
  return command && { command, rest: words.slice(at + 2) };
}

function topLevel(): Candidate[] {
  const commands = COMMANDS.filter((one) => !one.hidden).flatMap((command) =>
    command.paths.filter((path) => !path.includes(" ")).map((word) => ({ word, description: command.description })),
  );
  const groups = Object.entries(GROUPS)
    .filter(([word]) => !QUIET_GROUPS.has(word))
    .map(([word, description]) => ({ word, description }));
  return [...commands, ...groups, ...flagCandidates(GLOBAL)];
}

/** The flag that still wants its value, when the word before is one. */
function waiting(flags: readonly Flag[], word: string | undefined): Flag | undefined {
  if (word === undefined || !word.startsWith("-") || word.includes("=")) return undefined;
  const wants = (flag: Flag | undefined) => (flag && flag.type !== "bool" && flag.type !== "optional" ? flag : undefined);
  if (word.startsWith("--")) return wants(flags.find((flag) => flag.name === word.slice(2)));
  return wants(flags.find((flag) => flag.short !== undefined && flag.short === word.at(-1)));
}

function valueOf(flag: Flag, command: Command, typed: string, prefix: string): Answer {
  if (flag.name === "format" && command.paths.includes("save"))
    return fit(values(["docker-archive", "oci-archive", "oci-dir"], prefix), prefix + typed);
  const known = Object.hasOwn(VALUES, flag.name) ? VALUES[flag.name] : undefined;
  if (known) return fit(values(known, prefix), prefix + typed);
  if (FILES.has(flag.name)) return { ask: "files" };
  if (FOLDERS.has(flag.name)) return { ask: "folders" };
  return { candidates: [] };
}

function values(words: readonly string[], prefix: string): Candidate[] {
  return words.map((word) => ({ word: prefix + word, description: "" }));
}

function flagCandidates(flags: readonly Flag[]): Candidate[] {
  return visible(flags).map((flag) => ({
    word: `--${flag.name}`,
    description: (describe(flag).split("\n")[0] as string).replace(/:$/, ""),
  }));
}

function wordsOf(command: Command, typed: string): Answer {
  if (command.completes === "shells") return fit(values(SHELLS, ""), typed);
  return command.completes === undefined ? { candidates: [] } : { ask: command.completes };
}

function fit(candidates: readonly Candidate[], typed: string): Answer {
  const found = candidates.filter((one) => one.word.startsWith(typed) && (typed.startsWith("-") || !one.word.startsWith("-")));
  return { candidates: found.sort((a, b) => (a.word < b.word ? -1 : 1)) };
}
