import type { SourceSpan } from "../kit/span.ts";
import { looksLikeJson, readJsonForm } from "./json-form.ts";
import { Mistake } from "./mistake.ts";
import { quote } from "./quote.ts";
import { BLANKS, cut, isSpace } from "./space.ts";
import { splitLine } from "./split.ts";
import type { Instruction } from "./syntax.ts";
import { splitWords } from "./words.ts";

/** What reading one line needs to know, and where it may leave a warning. */
export interface LineContext {
  readonly escape: string;
  readonly span: SourceSpan;
  readonly comments: readonly string[];
  warn(message: string): void;
}

/** ONBUILD inside ONBUILD is refused later; more than this is not even read. */
const ONBUILD_DEPTH = 8;

/**
 * Reads one joined line into an instruction without heredocs. Throws Mistake with docker's words. An instruction that is
 * not known has one empty argument, as in BuildKit's tree.
 */
export function readInstruction(line: string, context: LineContext, depth = 0): Instruction {
  const { keyword, flags, rest } = splitLine(line);
  const name = keyword.toLowerCase();
  const read: Arguments = READERS.get(name) ?? (() => ({ args: [""] }));
  const found = read(rest, context, depth);
  return {
    name,
    keyword,
    flags,
    args: found.args,
    json: found.json ?? false,
    heredocs: [],
    span: context.span,
    original: line,
    comments: context.comments,
    ...(found.trigger ? { trigger: found.trigger } : {}),
  };
}

interface Found {
  readonly args: readonly string[];
  readonly json?: boolean;
  readonly trigger?: Instruction;
}
type Arguments = (rest: string, context: LineContext, depth: number) => Found;

const line: Arguments = (rest) => ({ args: rest === "" ? [] : [rest] });

const list: Arguments = (rest) => ({ args: rest === "" ? [] : rest.split(BLANKS) });

const names: Arguments = (rest, { escape }) => ({ args: splitWords(rest, escape) });

function jsonOr(otherwise: Arguments): Arguments {
  return (rest, context, depth) => {
    if (rest === "") return { args: [] };
    const words = readJsonForm(rest);
    if (words) return { args: words, json: true };
    if (looksLikeJson(rest)) {
      context.warn("This begins like a JSON array but is not valid JSON, so it is read as plain text");
    }
    return otherwise(rest, context, depth);
  };
}

const jsonOrLine = jsonOr(line);
const jsonOrList = jsonOr(list);

/** ENV and LABEL: name, value and `=` for each pair, or the old form with one pair and "". */
function pairs(command: string): Arguments {
  return (rest, { escape }) => {
    const words = splitWords(rest, escape);
    const first = words[0];
    if (first === undefined) return { args: [] };
    if (!first.includes("=")) {
      const [key, value] = cut(rest);
      if (value === undefined) throw new Mistake(`${command} must have two arguments`);
      return { args: [key, value, ""] };
    }
    const args: string[] = [];
    for (const word of words) {
      const equals = word.indexOf("=");
      if (equals < 0) {
        throw new Mistake(`Syntax error - can't find = in ${quote(word)}. Must be of the form: name=value`);
      }
      args.push(word.slice(0, equals), word.slice(equals + 1), "=");
    }
    return { args };
  };
}

/** The word NONE or CMD, then the command. */
const health: Arguments = (rest, context, depth) => {
  let end = 0;
  while (end < rest.length && !isSpace(rest.charCodeAt(end))) end++;
  if (end === 0) return { args: [] };
  let next = end;
  while (next < rest.length && isSpace(rest.charCodeAt(next))) next++;
  const command = jsonOrLine(rest.slice(next), context, depth);
  return { ...command, args: [rest.slice(0, end), ...command.args] };
};

const onbuild: Arguments = (rest, context, depth) => {
  if (rest === "") return { args: [] };
  if (depth >= ONBUILD_DEPTH) throw new Mistake("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  return { args: [], trigger: readInstruction(rest, { ...context, comments: [] }, depth + 1) };
};

const READERS: ReadonlyMap<string, Arguments> = new Map([
  ["add", jsonOrList],
  ["arg", names],
  ["cmd", jsonOrLine],
  ["copy", jsonOrList],
  ["entrypoint", jsonOrLine],
  ["env", pairs("ENV")],
  ["expose", list],
  ["from", list],
  ["healthcheck", health],
  ["label", pairs("LABEL")],
  ["maintainer", line],
  ["onbuild", onbuild],
  ["run", jsonOrLine],
  ["shell", jsonOrLine],
  ["stopsignal", line],
  ["user", line],
  ["volume", jsonOrList],
  ["workdir", line],
]);

/** The instructions of the language, in upper case, in the order of docker's reference. */
export const INSTRUCTIONS: readonly string[] = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "RUN",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
];

/** True where the instruction, or the one that ONBUILD holds, may open heredocs. */
export function mayHoldHeredocs(instruction: Instruction): boolean {
  const one = instruction.name === "onbuild" ? instruction.trigger : instruction;
  return one !== undefined && !one.json && (one.name === "run" || one.name === "copy" || one.name === "add");
}
