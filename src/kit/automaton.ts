import { inRanges } from "./glob.ts";

type Ranges = readonly (readonly [low: number, high: number])[];

/**
 * The few regular expressions that moby's ignore patterns become, in Go's syntax: characters, `\` escapes, classes, `[…]*`, `.*`, `|`, `{n}`,
 * the optional run of folders (FOLDERS below), `^` and `$`. Run as a set of states side by side, so time is (length of expression) × (length of text) at most.
 */
type Node =
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "set"; readonly negated: boolean; readonly ranges: Ranges; readonly star: boolean }
  // FOLDERS: nothing, or anything up to a `/`. Takes two states, itself and the run inside it.
  | { readonly kind: "folders" }
  | { readonly kind: "inside" }
  /** The next state may be passed over. */
  | { readonly kind: "maybe" }
  | { readonly kind: "begin" | "end" | "boundary" | "inner" };

export interface Automaton {
  /** Text that every match starts and ends with; may be empty. */
  readonly prefix: string;
  readonly suffix: string;
  matches(text: string): boolean;
}

const ANYTHING: Node = { kind: "set", negated: true, ranges: [], star: true };
/** Go's bound on the numbers of `{n,m}`. */
const MAX_REPEAT = 1000;
const REPEAT = /^\{([0-9]+)(,([0-9]*))?\}/;
const FOLDERS = "(.*/)?";
const LETTERS: Ranges = [
  [65, 90],
  [97, 122],
];
const DIGITS: Ranges = [[48, 57]];
const WORD: Ranges = [...LETTERS, ...DIGITS, [95, 95]];
const PERL: Readonly<Record<string, Ranges>> = {
  d: DIGITS,
  w: WORD,
  s: [
    [9, 10],
    [12, 13],
    [32, 32],
  ],
};
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const NAMED = new Map<string, Ranges>([
  ["alnum", [...LETTERS, ...DIGITS]],
  ["alpha", LETTERS],
  ["ascii", [[0, 127]]],
  [
    "blank",
    [
      [9, 9],
      [32, 32],
    ],
  ],
  [
    "cntrl",
    [
      [0, 31],
      [127, 127],
    ],
  ],
  ["digit", DIGITS],
  ["graph", [[33, 126]]],
  ["lower", [[97, 122]]],
  ["print", [[32, 126]]],
  [
    "punct",
    [
      [33, 47],
      [58, 64],
      [91, 96],
      [123, 126],
    ],
  ],
  [
    "space",
    [
      [9, 13],
      [32, 32],
    ],
  ],
  ["upper", [[65, 90]]],
  ["word", WORD],
  ["xdigit", [...DIGITS, [65, 70], [97, 102]]],
]);

/**
 * Compiles an expression that must match a whole text. Gives undefined where Go's regexp package refuses the expression,
 * or where it uses what no ignore pattern means on purpose (`\p`, `\Q`).
 */
export function compileAutomaton(expression: string): Automaton | undefined {
  const ways = new Reader(expression).read();
  const [first, ...others] = ways ?? [];
  if (!first) return undefined;
  // With `|` the closing anchor belongs to the last way alone, so each way is looked for anywhere and brings its own anchors.
  if (others.length > 0) {
    const all = [first, ...others].map((way) => matcher([ANYTHING, ...way, ANYTHING]));
    return { prefix: "", suffix: "", matches: (text) => all.some((one) => one.matches(text)) };
  }
  // What is left matches a whole text: the anchors around it say nothing more, and without them its literal ends are seen.
  return matcher(first.slice(first[0]?.kind === "begin" ? 1 : 0, first.at(-1)?.kind === "end" ? -1 : undefined));
}

function matcher(nodes: readonly Node[]): Automaton {
  const literal = (of: readonly Node[]): string => {
    let out = "";
    for (const node of of) {
      if (node.kind !== "char") break;
      out += String.fromCodePoint(node.code);
    }
    return out;
  };
  const prefix = literal(nodes);
  const suffix = Array.from(literal(nodes.toReversed())).reverse().join("");
  const marks = new Int32Array(nodes.length + 1);
  return {
    prefix,
    suffix,
    matches: (text) => text.startsWith(prefix) && text.endsWith(suffix) && simulate(nodes, marks.fill(0), text),
  };
}

/** `marks[state]` is the number of the step (from 1) at which the state was last active. */
function simulate(nodes: readonly Node[], marks: Int32Array, text: string): boolean {
  let active: number[] = [];
  let at = 0;
  let turn = 1;
  const add = (state: number, into: number[]): void => {
    for (let to = state; marks[to] !== turn; to++) {
      marks[to] = turn;
      const node = nodes[to];
      if (!node) {
        into.push(to);
        return;
      }
      if (node.kind === "char" || node.kind === "inside" || (node.kind === "set" && !node.star)) {
        into.push(to);
        return;
      }
      if (node.kind === "set") into.push(to);
      else if (node.kind === "folders" || node.kind === "maybe") add(to + 2, into);
      else if (!holds(node.kind, text, at)) return;
    }
  };
  add(0, active);
  while (at < text.length && active.length > 0) {
    const code = text.codePointAt(at) as number;
    at += code > 0xffff ? 2 : 1;
    turn++;
    const next: number[] = [];
    for (const state of active) {
      const node = nodes[state];
      if (node?.kind === "char") {
        if (node.code === code) add(state + 1, next);
      } else if (node?.kind === "set") {
        if (inRanges(node.ranges, code) !== node.negated) add(node.star ? state : state + 1, next);
      } else if (node?.kind === "inside") {
        if (code === 47) add(state + 1, next);
        if (code !== 10) add(state, next);
      }
    }
    active = next;
  }
  return at >= text.length && active.includes(nodes.length);
}

function holds(kind: "begin" | "end" | "boundary" | "inner", text: string, at: number): boolean {
  if (kind === "begin") return at === 0;
  if (kind === "end") return at === text.length;
  const word = (code: number): boolean => inRanges(WORD, code);
  const before = at > 0 && word(text.charCodeAt(at - 1));
  const after = at < text.length && word(text.charCodeAt(at));
  return (before !== after) === (kind === "boundary");
}

/** Reads the expression by Go's regexp/syntax rules. Every method gives undefined where Go refuses. */
class Reader {
  readonly #text: string;
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }

  /** The ways between `|`. */
  read(): Node[][] | undefined {
    let nodes: Node[] = [];
    const ways = [nodes];
    while (this.#at < this.#text.length) {
      if (this.#text.startsWith(FOLDERS, this.#at)) {
        this.#at += FOLDERS.length;
        nodes.push({ kind: "folders" }, { kind: "inside" });
        continue;
      }
      if (this.#text.startsWith(".*", this.#at)) {
        this.#at += 2;
        nodes.push({ kind: "set", negated: true, ranges: [[10, 10]], star: true });
        continue;
      }
      if (this.#text[this.#at] === "|") {
        this.#at++;
        ways.push((nodes = []));
        continue;
      }
      const node = this.#one();
      const repeated = node && this.#repeated(node);
      if (!repeated) return undefined;
      for (const one of repeated) nodes.push(one);
    }
    return ways;
  }

  /** The node as often as a `{n,m}` after it says. */
  #repeated(node: Node): Node[] | undefined {
    const [braces, low = "", comma, high = ""] = REPEAT.exec(this.#text.slice(this.#at, this.#at + 16)) ?? [];
    if (braces === undefined) return [node];
    this.#at += braces.length;
    const min = Number(low);
    const max = comma === undefined ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    const simple = node.kind === "char" || (node.kind === "set" && !node.star);
    if (
      !simple ||
      min > MAX_REPEAT ||
      min > max ||
      (max > MAX_REPEAT && high !== "") ||
      REPEAT.test(this.#text.slice(this.#at, this.#at + 16))
    )
      return undefined;
    const out: Node[] = Array.from({ length: min }, () => node);
    if (max !== Number.POSITIVE_INFINITY) for (let more = min; more < max; more++) out.push({ kind: "maybe" }, node);
    else if (node.kind === "set") out.push({ ...node, star: true });
    else out.push({ kind: "set", negated: false, ranges: [[node.code, node.code]], star: true });
    return out;
  }

  #take(): string {
    const char = String.fromCodePoint(this.#text.codePointAt(this.#at) as number);
    this.#at += char.length;
    return char;
  }

  #one(): Node | undefined {
    if (this.#text[this.#at] === "[") return this.#class();
    const char = this.#take();
    if (char === "^") return { kind: "begin" };
    if (char === "$") return { kind: "end" };
    if (char !== "\\") return { kind: "char", code: char.codePointAt(0) as number };
    const next = this.#text[this.#at] ?? "";
    const assertion = next === "A" ? "begin" : next === "z" ? "end" : next === "b" ? "boundary" : next === "B" ? "inner" : undefined;
    if (assertion) {
      this.#at++;
      return { kind: assertion };
    }
    const perl = PERL[next.toLowerCase()];
    if (perl) {
      this.#at++;
      return { kind: "set", negated: next !== next.toLowerCase(), ranges: perl, star: false };
    }
    const code = this.#escape();
    return code === undefined ? undefined : { kind: "char", code };
  }

  #class(): Node | undefined {
    this.#at++;
    const negated = this.#text[this.#at] === "^";
    if (negated) this.#at++;
    const ranges: (readonly [number, number])[] = [];
    for (let first = true; first || this.#text[this.#at] !== "]"; first = false) {
      if (this.#at >= this.#text.length) return undefined;
      const named = this.#named();
      if (named === "unknown") return undefined;
      if (named) {
        ranges.push(...named);
        continue;
      }
      const low = this.#classChar();
      if (low === undefined) return undefined;
      let high: number | undefined = low;
      if (this.#text[this.#at] === "-" && this.#at + 1 < this.#text.length && this.#text[this.#at + 1] !== "]") {
        this.#at++;
        high = this.#classChar();
      }
      if (high === undefined || high < low) return undefined;
      ranges.push([low, high]);
    }
    this.#at++;
    const star = this.#text[this.#at] === "*";
    if (star) this.#at++;
    return { kind: "set", negated, ranges, star };
  }

  /** `[:alpha:]` or `\d` inside a class. */
  #named(): Ranges | "unknown" | undefined {
    if (this.#text.startsWith("[:", this.#at)) {
      const end = this.#text.indexOf(":]", this.#at + 2);
      if (end < 0) return undefined;
      const name = this.#text.slice(this.#at + 2, end);
      this.#at = end + 2;
      const found = NAMED.get(name.replace(/^\^/, ""));
      return found ? (name.startsWith("^") ? complement(found) : found) : "unknown";
    }
    const letter = this.#text[this.#at] === "\\" ? (this.#text[this.#at + 1] ?? "") : "";
    const perl = PERL[letter.toLowerCase()];
    if (!perl) return undefined;
    this.#at += 2;
    return letter === letter.toLowerCase() ? perl : complement(perl);
  }

  #classChar(): number | undefined {
    if (this.#at >= this.#text.length) return undefined;
    const char = this.#take();
    return char === "\\" ? this.#escape() : (char.codePointAt(0) as number);
  }

  /** After the `\`: punctuation is itself; letters only where Go gives them a meaning. */
  #escape(): number | undefined {
    const rest = this.#text.slice(this.#at, this.#at + 12);
    const number = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)?.[0];
    const hex = /^x(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2}))/.exec(rest);
    this.#at += (number ?? hex?.[0] ?? "").length;
    if (number) return Number.parseInt(number, 8);
    if (hex) {
      const code = Number.parseInt((hex[1] ?? hex[2]) as string, 16);
      return code <= 0x10ffff ? code : undefined;
    }
    const char = rest[0] ?? "";
    this.#at++;
    if (CONTROL[char] !== undefined) return CONTROL[char];
    return /^[!-/:-@[-`{-~\u0000- \u007f]$/.test(char) ? char.charCodeAt(0) : undefined;
  }
}

function complement(ranges: Ranges): Ranges {
  const out: [number, number][] = [];
  let from = 0;
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (low > from) out.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  return [...out, [from, 0x10ffff]];
}
