import { perlClass, posixClass, type Ranges } from "./char-class.ts";

/**
 * A step of the few regular expressions that moby's ignore patterns become, in Go's syntax: characters, `\` escapes, classes,
 * `[…]*`, `.*`, `|`, `{n}`, the optional run of folders (FOLDERS below), `^` and `$`.
 */
export type Node =
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "set"; readonly negated: boolean; readonly ranges: Ranges; readonly star: boolean }
  // FOLDERS: nothing, or anything up to a `/`. Takes two states, itself and the run inside it.
  | { readonly kind: "folders" }
  | { readonly kind: "inside" }
  /** The next state may be passed over. */
  | { readonly kind: "maybe" }
  | { readonly kind: "begin" | "end" | "boundary" | "inner" };

const FOLDERS = "(.*/)?";
/** Go's bound on the numbers of `{n,m}`. */
const MAX_REPEAT = 1000;
/** Steps of one expression: bounds what many `{1000}` cost. */
const MAX_NODES = 100_000;
const REPEAT = /^\{([0-9]+)(,([0-9]*))?\}/;
const CONTROL = new Map([
  ["a", 7],
  ["f", 12],
  ["n", 10],
  ["r", 13],
  ["t", 9],
  ["v", 11],
]);

/** The ways of an expression, one for each part between `|`; undefined where Go refuses it. */
export function readExpression(expression: string): Node[][] | undefined {
  return new Reader(expression).read();
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
      if (nodes.length > MAX_NODES) return undefined;
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
    const perl = perlClass(next);
    if (perl) {
      this.#at++;
      return { kind: "set", negated: false, ranges: perl, star: false };
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
      return posixClass(name) ?? "unknown";
    }
    const perl = this.#text[this.#at] === "\\" ? perlClass(this.#text[this.#at + 1] ?? "") : undefined;
    if (perl) this.#at += 2;
    return perl;
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
    const control = CONTROL.get(char);
    if (control !== undefined) return control;
    return /^[!-/:-@[-`{-~\u0000- \u007f]$/.test(char) ? char.charCodeAt(0) : undefined;
  }
}
