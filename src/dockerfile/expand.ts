import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { replacePattern, trimPrefix, trimSuffix, type Wrong } from "./expand-pattern.ts";
import { quote } from "./quote.ts";
import { isSpace } from "./space.ts";

/** The value of a variable, undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  /** Leave quote characters in the result, for display. BuildKit's RawQuotes. */
  readonly rawQuotes?: boolean;
  /** Leave escape characters in the result. RawEscapes. */
  readonly rawEscapes?: boolean;
  /** Quotes have no meaning: contents of heredocs. SkipProcessQuotes. */
  readonly plainQuotes?: boolean;
  /** Leave variables that are not set as they are written. SkipUnsetEnv. */
  readonly keepUnset?: boolean;
}

export interface Expansion {
  readonly value: string;
  /** Names of the variables that were asked for and are set, and those that are not. */
  readonly used: ReadonlySet<string>;
  readonly unset: ReadonlySet<string>;
}

/**
 * Expands one word of a Dockerfile: `$name`, `${name}` with the modifiers `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`, quotes and
 * escapes, as BuildKit's shell.Lex does (ProcessWord). `escape` is the file's escape character; heredocs always use `\`.
 * Takes time in proportion to the word and its values. Throws Failure EXPANSION with docker's words (`failed to process "…": …`), and
 * LIMIT where the result, the nesting or a pattern grows too large.
 */
export function expandWord(word: string, env: Lookup, escape: "\\" | "`" = "\\", options: ExpandOptions = {}): Expansion {
  return process(word, env, escape, options);
}

/** As `expandWord`, then split at white space outside quotes (ProcessWords): the ports of EXPOSE. One word may become none or several. */
export function expandWords(word: string, env: Lookup, escape: "\\" | "`" = "\\", options: ExpandOptions = {}): string[] {
  const words = new Words();
  process(word, env, escape, options, words);
  return words.all();
}

/** Contents of a heredoc whose delimiter is not quoted: variables are expanded, quotes stay, the escape is `\`. */
export function expandHeredoc(content: string, env: Lookup): Expansion {
  return expandWord(content, env, "\\", { plainQuotes: true });
}

function process(word: string, env: Lookup, escape: string, options: ExpandOptions, words?: Words): Expansion {
  const expander = new Expander(word, env, escape, options);
  try {
    const value = expander.until(undefined, options.rawEscapes === true, words);
    return { value, used: expander.used, unset: expander.unset };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Failure("EXPANSION", `failed to process ${quote(word)}: ${error.message}`);
  }
}

/** What is wrong with a word; `process` adds the word. */
class Problem extends Error {}

/** Collects the words of the result: white space that came from outside quotes separates them, quoted text never does. */
class Words {
  readonly #words: string[] = [];
  #word = "";
  #inWord = false;

  add(char: string): void {
    if (!isSpace(char.codePointAt(0) as number)) this.addRaw(char);
    else if (this.#inWord && this.#word !== "") {
      this.#words.push(this.#word);
      this.#word = "";
      this.#inWord = false;
    }
  }

  addRaw(text: string): void {
    this.#word += text;
    this.#inWord = true;
  }

  all(): string[] {
    return this.#word === "" ? this.#words : [...this.#words, this.#word];
  }
}

/** One pass over a word, character by character; the depth of `${…${…}}` is that of the calls. */
class Expander {
  readonly used = new Set<string>();
  readonly unset = new Set<string>();
  readonly #text: string;
  readonly #env: Lookup;
  readonly #escape: string;
  readonly #options: ExpandOptions;
  #at: number;
  #depth = 0;
  #raw = false;
  #made = 0;
  /** A long heredoc may stay as long as it is; what expansion adds is bounded. */
  readonly #bound: number;

  constructor(text: string, env: Lookup, escape: string, options: ExpandOptions) {
    this.#text = text;
    this.#env = env;
    this.#escape = escape;
    this.#options = options;
    this.#bound = text.length + LIMITS.expansionBytes;
    // Go's text/scanner, which BuildKit reads words with, drops a leading byte order mark.
    this.#at = text.startsWith("\ufeff") ? 1 : 0;
  }

  limit(what: string, unit: string): Failure {
    const bound = unit === "bytes" ? LIMITS.expansionBytes : LIMITS.expansionDepth;
    const shown = this.#text.length > 60 ? `${this.#text.slice(0, 60)}…` : this.#text;
    return new Failure("LIMIT", `expanding ${quote(shown)} gives a ${what} than ${bound} ${unit}`);
  }

  #peek(): string {
    const code = this.#text.codePointAt(this.#at);
    return code === undefined ? "" : String.fromCodePoint(code);
  }

  #next(): string {
    const char = this.#peek();
    this.#at += char.length;
    return char;
  }

  /** A run of characters that mean nothing in any place. */
  #plain(): string {
    const plain = /[^$'"\\`}/]*/y;
    plain.lastIndex = this.#at;
    const run = plain.exec(this.#text)?.[0] ?? "";
    this.#at += run.length;
    return run;
  }

  /** Everything up to `stop` outside quotes and `${…}`, or to the end; `stop` is read too. */
  until(stop: string | undefined, raw: boolean, words?: Words): string {
    const outer = this.#raw;
    this.#raw = raw;
    if (++this.#depth > LIMITS.expansionDepth + 1) throw this.limit("nesting deeper", "levels");
    let out = "";
    const take = (text: string): void => {
      out += text;
      if (out.length > this.#bound) throw this.limit("result of more", "bytes");
    };
    for (;;) {
      if (!words) take(this.#plain());
      const char = this.#peek();
      if (char === "" || char === stop) break;
      if (char === "$") {
        const value = this.#dollar();
        take(value);
        if (words) for (const one of value) words.add(one);
      } else if ((char === "'" || char === '"') && !this.#options.plainQuotes) {
        const value = char === "'" ? this.#single() : this.#double();
        take(value);
        words?.addRaw(value);
      } else if (char === this.#escape) {
        this.#next();
        const escaped = (this.#raw ? char : "") + this.#next();
        take(escaped);
        if (escaped !== "") words?.addRaw(escaped);
      } else {
        this.#next();
        take(char);
        words?.add(char);
      }
    }
    if (stop !== undefined && this.#next() === "") throw new Problem(`unexpected end of statement while looking for matching ${stop}`);
    this.#raw = outer;
    this.#depth--;
    return out;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) {
      this.#at = this.#text.length;
      throw new Problem("unexpected end of statement while looking for matching single-quote");
    }
    const quotes = this.#options.rawQuotes ? 0 : 1;
    const value = this.#text.slice(this.#at + quotes, end + 1 - quotes);
    this.#at = end + 1;
    return value;
  }

  #double(): string {
    const mark = this.#options.rawQuotes ? '"' : "";
    let out = mark;
    this.#next();
    for (;;) {
      const char = this.#peek();
      if (char === "") throw new Problem("unexpected end of statement while looking for matching double-quote");
      if (char === "$") {
        out += this.#dollar();
        if (out.length > this.#bound) throw this.limit("result of more", "bytes");
        continue;
      }
      this.#next();
      if (char === '"') return out + mark;
      if (char !== this.#escape) {
        out += char;
        continue;
      }
      if (this.#raw) out += char;
      // Only these can be escaped inside double quotes; before anything else the escape is an ordinary character.
      const escaped = this.#peek();
      if (escaped === '"' || escaped === "$" || escaped === this.#escape) out += this.#next();
      else if (escaped !== "") out += char;
    }
  }

  #dollar(): string {
    this.#next();
    if (this.#peek() !== "{") {
      const name = this.#name();
      if (name === "") return "$";
      return this.#get(name) ?? (this.#options.keepUnset ? `$${name}` : "");
    }
    this.#next();
    const first = this.#peek();
    if (first === "") throw new Problem("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw new Problem("syntax error: bad substitution");
    const name = this.#name();
    const char = this.#next();
    if (char === "}") return this.#get(name) ?? (this.#options.keepUnset ? `\${${name}}` : "");
    if (char === "/") return this.#replace(name);
    if (char === ":") return this.#modified(name, this.#next(), true);
    if (char !== "" && "+-?#%".includes(char)) return this.#modified(name, char, false);
    throw unsupported(char || "\ufffd");
  }

  /** `${name-word}` and its kin. With `colon` an empty value counts as unset. */
  #modified(name: string, modifier: string, colon: boolean): string {
    const word = this.#inner("}", modifier === "#" || modifier === "%", "syntax error: missing '}'");
    const value = this.#get(name);
    const written = (colon ? ":" : "") + modifier;
    if (value === undefined && this.#options.keepUnset) return `\${${name}${written}${word}}`;
    const missing = value === undefined || (colon && value === "");
    if (colon && (modifier === "#" || modifier === "%")) throw unsupported(written);
    switch (modifier) {
      case "-":
        return missing ? word : value;
      case "+":
        return missing ? "" : word;
      case "?":
        if (missing)
          throw new Problem(`${name}: ${word || (value === undefined ? "is not allowed to be unset" : "is not allowed to be empty")}`);
        return value;
      case "#":
      case "%": {
        const longest = word.startsWith(modifier);
        const trim = modifier === "#" ? trimPrefix : trimSuffix;
        return this.#withPattern(longest ? word.slice(1) : word, (pattern) => trim(value ?? "", pattern, longest));
      }
      default:
        throw unsupported(written);
    }
  }

  #replace(name: string): string {
    const all = this.#peek() === "/";
    if (all) this.#next();
    const pattern = this.#inner("/", true, "syntax error: missing '/' in ${}");
    const replacement = this.#inner("}", true, "syntax error: missing '}'");
    const value = this.#get(name);
    if (value === undefined && this.#options.keepUnset) return `\${${name}/${pattern}/${replacement}}`;
    return this.#withPattern(pattern, (given) => replacePattern(value ?? "", given, replacement, all));
  }

  #withPattern(pattern: string, apply: (pattern: string) => string | Wrong): string {
    const result = apply(pattern);
    if (typeof result === "string") return result;
    throw new Problem(`invalid pattern (${result.pattern}) in substitution: ${result.wrong}`);
  }

  /** A part of `${…}`; where the word ends before it does, that is what is reported, whatever else is wrong inside. */
  #inner(stop: string, raw: boolean, missing: string): string {
    try {
      return this.until(stop, raw);
    } catch (error) {
      throw error instanceof Problem && this.#peek() === "" ? new Problem(missing) : error;
    }
  }

  /** Letters, digits and `_`; digits alone where it begins with one; or one of the shell's special parameters. */
  #name(): string {
    const rest = this.#text.slice(this.#at, this.#at + 1);
    const found = "@*#?-$!".includes(rest) ? rest : (nameAt(this.#text, this.#at) ?? "");
    this.#at += found.length;
    return found;
  }

  #get(name: string): string | undefined {
    const value = this.#env(name);
    (value === undefined ? this.unset : this.used).add(name);
    // Values are read more often than they are long: what all of them together give is bounded too.
    this.#made += value?.length ?? 0;
    if (this.#made > 64 * LIMITS.expansionBytes) throw this.limit("result of more", "bytes");
    return value;
  }
}

function nameAt(text: string, at: number): string | undefined {
  const name = /(?:\p{Nd}+|[\p{L}_][\p{L}\p{Nd}_]*)/uy;
  name.lastIndex = at;
  return name.exec(text)?.[0];
}

function unsupported(modifier: string): Problem {
  return new Problem(`unsupported modifier (${modifier}) in substitution`);
}
