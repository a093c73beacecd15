import { Failure } from "../kit/error.ts";
import type { Command } from "./command.ts";
import { parseMount } from "./commands/mount.ts";
import { type Expansion, expandHeredoc, expandWord, expandWords } from "./expand.ts";
import { Mistake } from "./mistake.ts";
import type { UnsetVariable } from "./rules/rule.ts";
import { NOT_VARIABLES, type StageArg, type StageScope } from "./scope.ts";

/** Names that a mistyped one is compared with. */
const MOST_NAMES = 200;

/** What the words of an instruction gave: unset variables in the order of the words, and the words that rules look at. */
export interface ReadWords {
  readonly unset: readonly UnsetVariable[];
  readonly words: readonly string[];
  /** What an ARG declared. */
  readonly arg?: StageArg;
}

/**
 * Expands the words of one instruction as a build does, in BuildKit's order, and moves the scope on (ENV, ARG). A word that does not
 * expand is left out: the build says so. For ARG, `only` is the one argument to read. Without `known`, the base's variables are not
 * known and none is reported as unset.
 */
export function readWords(command: Command, scope: StageScope, escape: "\\" | "`", known: boolean, only = 0): ReadWords {
  const unset: UnsetVariable[] = [];
  const words: string[] = [];
  const note = (expansion: Expansion | undefined, isNew = ""): string | undefined => {
    for (const name of expansion?.unset ?? []) {
      const declared = scope.isDeclared(name) && name !== isNew;
      if (!known || declared || NOT_VARIABLES.has(name)) continue;
      const names: string[] = [];
      for (const one of scope.variables.keys()) {
        if (one !== isNew) names.push(one);
        if (names.length === MOST_NAMES) break;
      }
      unset.push({ name, known: names });
    }
    return expansion?.value;
  };
  const expand = (word: string | undefined): string | undefined =>
    word === undefined ? undefined : note(attempt(() => expandWord(word, scope.lookup, escape)));
  switch (command.kind) {
    case "env":
    case "label": {
      const pairs = command.pairs.map(({ key, value }) => [expand(key), expand(value)] as const);
      for (const [key, value] of pairs) {
        if (key === undefined || value === undefined) continue;
        words.push(key);
        if (command.kind === "env") scope.setEnv(key, value);
      }
      break;
    }
    case "arg": {
      const arg = command.args[only];
      if (!arg) break;
      words.push(arg.key);
      const isNew = scope.isDeclared(arg.key) ? "" : arg.key;
      const declared = attempt(() => scope.declareArg(arg.key, arg.value));
      note(declared?.expansion, isNew);
      if (declared) return { unset, words, arg: declared };
      break;
    }
    case "add":
    case "copy": {
      for (const word of [command.chown, command.chmod, command.checksum]) expand(word);
      for (const source of command.sources) words.push(expand(source) ?? "");
      expand(command.dest);
      for (const { content, expand: doExpand } of command.contents) if (doExpand) note(attempt(() => expandHeredoc(content, scope.lookup)));
      break;
    }
    case "workdir":
      words.push(expand(command.path) ?? "/");
      break;
    case "user":
      expand(command.user);
      break;
    case "volume":
      for (const path of command.paths) expand(path);
      break;
    case "stopsignal":
      expand(command.signal);
      break;
    case "expose":
      for (const port of command.ports) words.push(...(attempt(() => expandWords(port, scope.lookup, escape)) ?? []));
      break;
    case "run":
      for (const { text, variables } of command.mounts)
        if (text !== undefined && (variables || text.includes("$"))) attempt(() => parseMount(text, (word) => expand(word) ?? ""));
      break;
    default:
  }
  return { unset, words };
}

/** The result, or undefined where a word does not expand. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof Failure || error instanceof Mistake) return undefined;
    throw error;
  }
}
