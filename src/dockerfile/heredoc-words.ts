import { isSpace } from "./space.ts";

/** Where the lexer is: inside quotes or inside `${…}`. `stops` are the characters that end it, last one first. */
interface Frame {
  readonly kind: "single" | "double" | "brace";
  readonly stops: string;
}

/**
 * Splits a line the way BuildKit does to look for heredocs: quotes and `${…}` hold words together, the backslash escapes
 * whatever the `escape` directive says, and no variable has a value. With `raw` quotes and escapes stay in the words,
 * else they are taken off. Undefined where quotes or braces do not match or a modifier is unknown: then the line has no
 * heredocs. Kept in a loop with its own stack, so that no nesting of braces is too deep for it. Without `modifiers`,
 * `${name-word}` and its like are refused too.
 */
export function heredocWords(text: string, rawQuotes: boolean, rawEscapes: boolean, modifiers: boolean): string[] | undefined {
  const words: string[] = [];
  const stack: Frame[] = [];
  let word = "";
  // Text of the outermost quote or brace that is open.
  let held = "";
  const put = (char: string): void => {
    if (stack.length > 0) held += char;
    else word += char;
  };
  const end = (): void => {
    if (word !== "") words.push(word);
    word = "";
  };
  const leave = (): void => {
    const frame = stack.pop() as Frame;
    if (stack.length > 0) return;
    if (frame.kind !== "brace") word += held;
    else {
      // A variable's text is split at blanks, also inside its own quotes.
      for (const char of held) {
        if (isSpace(char.charCodeAt(0))) end();
        else word += char;
      }
    }
    held = "";
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    const frame = stack.at(-1);
    if (frame?.kind === "single") {
      if (char !== "'" || rawQuotes) put(char);
      if (char === "'") leave();
    } else if (frame?.kind === "double" && char === '"') {
      if (rawQuotes) put(char);
      leave();
    } else if (frame?.kind === "brace" && char === frame.stops.at(-1)) {
      put(char);
      if (frame.stops.length > 1) stack[stack.length - 1] = { kind: "brace", stops: frame.stops.slice(0, -1) };
      else leave();
    } else if (char === "$") {
      const opened = openDollar(text, at);
      if (opened === undefined || (opened.frame && !modifiers)) return undefined;
      if (opened.frame) stack.push(opened.frame);
      if (opened.closed) stack.push({ kind: "brace", stops: "}" });
      for (const one of text.slice(at, opened.next)) put(one);
      if (opened.closed) leave();
      at = opened.next - 1;
    } else if (frame?.kind !== "double" && (char === "'" || char === '"')) {
      stack.push({ kind: char === "'" ? "single" : "double", stops: char });
      if (rawQuotes) put(char);
    } else if (char === "\\") {
      const next = text[at + 1];
      if (rawEscapes) put(char);
      if (frame?.kind === "double" && next !== '"' && next !== "$" && next !== "\\") {
        if (!rawEscapes && next !== undefined) put(char);
      } else if (next !== undefined) {
        put(next);
        at++;
      }
    } else if (stack.length === 0 && isSpace(char.charCodeAt(0))) end();
    else put(char);
  }
  if (stack.length > 0) return undefined;
  end();
  return words;
}

/** What a `$` opens: `next` is where the lexer goes on; `closed` a whole `${name}`; `frame` the inside of a modifier. */
function openDollar(text: string, at: number): { next: number; frame?: Frame; closed?: boolean } | undefined {
  if (text[at + 1] === "$") return { next: at + 2 };
  if (text[at + 1] !== "{") return { next: at + 1 };
  const first = text[at + 2];
  if (first === undefined || first === "{" || first === "}" || first === ":") return undefined;
  NAME.lastIndex = at + 2;
  let next = at + 2 + (NAME.exec(text)?.[0].length ?? 0);
  const modifier = text[next++];
  if (modifier === "}") return { next, closed: true };
  if (modifier === ":") {
    const kind = text[next++];
    return kind === undefined || kind === "#" || kind === "%" ? undefined : { next, frame: { kind: "brace", stops: "}" } };
  }
  if (modifier === "/") {
    if (text[next] === "/") next++;
    return { next, frame: { kind: "brace", stops: "}/" } };
  }
  if (modifier === undefined || !"+-?#%".includes(modifier)) return undefined;
  return { next, frame: { kind: "brace", stops: "}" } };
}

// The names of variables that the lexer knows, the shell's special ones among them.
const NAME = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy;
