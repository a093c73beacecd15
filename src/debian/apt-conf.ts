import { readFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../kit/look.ts";

/** Options by their full name in lower case: `acquire::http::proxy`. Of lists (`Name:: "a"`), the last item is kept. */
export type AptConf = ReadonlyMap<string, string>;

/** Characters of one file. */
const LONGEST = 1 << 20;

/**
 * Reads apt.conf(5): the files of `apt.conf.d` in the order of their names, then `apt.conf`. A file that cannot be read is passed over:
 * what we
 * take from them (proxies, whether dates count) only ever makes things work that would not otherwise. `root` stands for `/`.
 */
export function readAptConf(root: string): AptConf {
  const folder = join(root, "etc/apt/apt.conf.d");
  const options = new Map<string, string>();
  let names: string[] = [];
  try {
    names = namesIn(folder).filter((name) => /^[A-Za-z0-9_-]+(?:\.conf)?$/.test(name));
  } catch {
    // As if it were empty.
  }
  for (const path of [...names.sort().map((name) => join(folder, name)), join(root, "etc/apt/apt.conf")]) {
    try {
      readInto(options, readFileSync(path, "utf8").slice(0, LONGEST));
    } catch {
      // Missing or not ours to read.
    }
  }
  return options;
}

/** Adds the options of one text to `options`. */
export function readInto(options: Map<string, string>, text: string): void {
  const scopes: string[] = [];
  let name: string | undefined;
  let value: string | undefined;
  const finish = () => {
    if (name === undefined || name.startsWith("#")) return;
    const full = [...scopes, name]
      .filter((part) => part !== "")
      .join("::")
      .toLowerCase()
      .replace(/::$/, "");
    if (value !== undefined) options.set(full, value);
  };
  for (const token of tokens(text)) {
    if (token === "{") {
      scopes.push(name ?? "");
      name = undefined;
      value = undefined;
    } else if (token === "}") {
      finish();
      scopes.pop();
      name = undefined;
      value = undefined;
    } else if (token === ";") {
      finish();
      name = undefined;
      value = undefined;
    } else if (token.startsWith('"')) value = token.slice(1);
    else if (name === undefined) name = token;
    else value = token;
  }
}

/** Words, the signs `{ } ;`, and quoted values, which keep their opening quote as a mark. Comments are dropped. */
function* tokens(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const char = text[at] as string;
    const lineEnd = () => {
      const end = text.indexOf("\n", at);
      return end < 0 ? text.length : end;
    };
    if (/\s/.test(char)) at++;
    else if (text.startsWith("//", at) || (char === "#" && !/^#(?:clear|include)\b/.test(text.slice(at, at + 9)))) at = lineEnd();
    else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2);
      at = end < 0 ? text.length : end + 2;
    } else if (char === "{" || char === "}" || char === ";") {
      yield char;
      at++;
    } else if (char === '"') {
      const end = text.indexOf('"', at + 1);
      yield text.slice(at, end < 0 ? text.length : end);
      at = end < 0 ? text.length : end + 1;
    } else {
      const [word = char] = /^[^\s;{}"]+/.exec(text.slice(at, at + 1000)) ?? [];
      yield word;
      at += word.length;
    }
  }
}
