import { heredocWords } from "./heredoc-words.ts";
import { trimReturn } from "./space.ts";
import type { Heredoc } from "./syntax.ts";

/** A heredoc without its content. */
export type HeredocHead = Omit<Heredoc, "content">;

const FORM = /^([0-9]*)<<(-?)([^<]*)$/;
const OPEN = /^[0-9]*<<$/;

/** Reads one word as the start of a heredoc, `[fd]<<[-]NAME` with a name that may be quoted; undefined when it is none. */
export function heredocOfWord(word: string): HeredocHead | undefined {
  const found = FORM.exec(word);
  if (!found) return undefined;
  const rest = found[3] as string;
  if (rest === "") return undefined;
  const plain = heredocWords(rest, false, false, false);
  const quoted = heredocWords(rest, true, false, false);
  if (plain?.length !== 1 || quoted?.length !== 1) return undefined;
  const [name, raw] = [plain[0] as string, quoted[0] as string];
  return {
    name,
    expand: quotes(name) === quotes(raw),
    chomp: found[2] === "-",
    fd: Math.min(Number(found[1]), Number.MAX_SAFE_INTEGER),
  };
}

function quotes(text: string): number {
  let count = 0;
  for (const char of text) if (char === "'" || char === '"') count++;
  return count;
}

/** True for a word that is only the arrows. BuildKit takes `RUN … << NAME` with blanks, but not `<<- NAME`, nor in COPY. */
export function opensHeredoc(word: string): boolean {
  return OPEN.test(word);
}

/** The heredocs that a joined instruction line opens, in order. */
export function heredocsOfLine(line: string): HeredocHead[] {
  if (!line.includes("<<")) return [];
  const heads: HeredocHead[] = [];
  for (const word of heredocWords(line.replace(/<<[\t ]+/g, "<<"), true, true, true) ?? []) {
    const head = heredocOfWord(word);
    if (head) heads.push(head);
  }
  return heads;
}

/** True when the line ends the heredoc. */
export function endsHeredoc(head: HeredocHead, line: string): boolean {
  const text = trimReturn(line);
  return (head.chomp ? text.replace(/^\t+/, "") : text) === head.name;
}

/** The content of `<<-`: every line without its leading tabs. */
export function chomp(content: string): string {
  return content.replace(/(^|\n)\t+/g, "$1");
}
