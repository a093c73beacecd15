import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/**
 * One flag of a command, as data. `bool` takes a value only with `=`; `optional` too (its bare form means `bare`);
 * `list` may be given several times; `csv` as well, and splits each value at its commas; `map` wants NAME=VALUE (docker's filter).
 */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly type: "bool" | "string" | "list" | "csv" | "int" | "map" | "optional";
  /** For the help text only; `flags.string()` gives it too. */
  readonly default?: string;
  /** The word that stands for the value in the help text; by default docker's name of the type. */
  readonly placeholder?: string;
  /** What an `optional` flag without a value means. */
  readonly bare?: string;
  readonly hidden?: boolean;
  readonly description: string;
}

/** How many words a command takes beside its flags. `max` undefined: any number. */
export interface Positional {
  readonly min: number;
  readonly max?: number;
  /** A flag that stands for one of the words (kaniko's `--context`). */
  readonly orFlag?: string;
}

/** What the flags of a command line came to. */
export interface Flags {
  readonly args: readonly string[];
  /** Whether the flag was given at all. */
  given(name: string): boolean;
  bool(name: string): boolean;
  string(name: string): string | undefined;
  int(name: string): number | undefined;
  list(name: string): readonly string[];
}

export interface FlagTable {
  readonly flags: readonly Flag[];
  /** Flags end at the first word that is none, as for `run IMAGE COMMAND --its-own-flag`. */
  readonly stopAtFirst?: boolean;
}

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/**
 * Reads a command line by the rules of Go's pflag, which docker's users know: clusters (`-it`), joined values (`-eA=1`), `--flag=false`,
 * `--` ends the flags, a lone `-` is a word. Throws USAGE in pflag's words. `--help` and `-h` are not flags of the table: they end the
 * reading with `help` true.
 */
export function parseFlags(table: FlagTable, argv: readonly string[]): Flags & { readonly help: boolean } {
  const byName = new Map<string, Flag>();
  const byShort = new Map<string, Flag>();
  for (const flag of table.flags) {
    byName.set(flag.name, flag);
    if (flag.short !== undefined) byShort.set(flag.short, flag);
  }
  const values = new Map<string, string[]>();
  const args: string[] = [];
  let help = false;
  let at = 0;
  for (; at < argv.length && !help; at++) {
    const word = argv[at] as string;
    if (word === "--") {
      args.push(...argv.slice(at + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith("-")) {
      if (table.stopAtFirst) {
        args.push(...argv.slice(at));
        break;
      }
      args.push(word);
    } else if (word.startsWith("--")) at = long(word, at);
    else at = cluster(word, at);
  }
  // `nought --help rmi` asks about rmi.
  if (help && table.stopAtFirst) args.push(...argv.slice(at));
  return { ...access(byName, values), args, help };

  function long(word: string, at: number): number {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    if (name === "" || name.startsWith("-")) throw usage(`bad flag syntax: ${printable(word)}`);
    const flag = byName.get(name);
    if (!flag) {
      if (name === "help") {
        help = true;
        return at;
      }
      throw usage(`unknown flag: --${printable(name)}`);
    }
    if (equals >= 0) set(flag, word.slice(equals + 1));
    else if (flag.type === "bool" || flag.type === "optional") set(flag, flag.bare ?? "true");
    else if (at + 1 < argv.length) set(flag, argv[++at] as string);
    else throw usage(`flag needs an argument: --${flag.name}`);
    return at;
  }

  function cluster(word: string, at: number): number {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] as string;
      const flag = byShort.get(letter);
      if (!flag) {
        if (letter === "h") {
          help = true;
          return at;
        }
        throw usage(`unknown shorthand flag: '${printable(letter)}' in -${printable(word.slice(i))}`);
      }
      const rest = word.slice(i + 1);
      if (rest.startsWith("=") && rest.length > 1) {
        set(flag, rest.slice(1));
        return at;
      }
      if (flag.type === "bool" || flag.type === "optional") {
        set(flag, flag.bare ?? "true");
        continue;
      }
      if (rest !== "") set(flag, rest);
      else if (at + 1 < argv.length) set(flag, argv[++at] as string);
      else throw usage(`flag needs an argument: '${letter}' in -${printable(word.slice(i))}`);
      return at;
    }
    return at;
  }

  function set(flag: Flag, text: string): void {
    const wrong = (why: string) => usage(`invalid argument "${printable(text)}" for "${spelling(flag)}" flag: ${why}`);
    if (flag.type === "bool" && !TRUE.has(text) && !FALSE.has(text))
      throw wrong(`strconv.ParseBool: parsing "${printable(text)}": invalid syntax`);
    if (flag.type === "int" && (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(Number(text))))
      throw wrong(`strconv.ParseInt: parsing "${printable(text)}": invalid syntax`);
    if (flag.type === "map" && text !== "" && !text.includes("=")) throw wrong("bad format of filter (expected name=value)");
    const many = flag.type === "list" || flag.type === "csv" || flag.type === "map";
    const found = flag.type === "csv" ? text.split(",") : [text];
    values.set(flag.name, many ? [...(values.get(flag.name) ?? []), ...found] : found);
  }
}

/** The flag's name as messages have it: `-f, --file` or `--file`. */
function spelling(flag: Flag): string {
  return flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
}

function access(byName: ReadonlyMap<string, Flag>, values: ReadonlyMap<string, readonly string[]>): Omit<Flags, "args"> {
  const known = (name: string): Flag => {
    const flag = byName.get(name);
    if (!flag) throw new Error(`internal: no flag --${name} in the table`);
    return flag;
  };
  const string = (name: string) => values.get(known(name).name)?.at(-1) ?? known(name).default;
  return {
    given: (name) => values.has(known(name).name),
    bool: (name) => TRUE.has(string(name) ?? ""),
    string,
    int: (name) => {
      const text = string(name);
      return text === undefined ? undefined : Number(text);
    },
    list: (name) => values.get(known(name).name) ?? [],
  };
}

function usage(message: string): Failure {
  return new Failure("USAGE", message);
}
