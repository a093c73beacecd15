import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** One paragraph: fields by their name in lower case. A folded value keeps its line breaks, without the blank each line begins with. */
export type Paragraph = ReadonlyMap<string, string>;

export interface ParagraphBounds {
  /** Characters of one field, and how many fields and paragraphs there may be. */
  readonly fieldLength?: number;
  readonly fields?: number;
  readonly paragraphs?: number;
  /** Whether lines that begin with `#` are comments (sources files, control files of sources), not data (Release, Packages). */
  readonly comments?: boolean;
}

const FIELD = /^([!-"$-,.-9;-~][!-9;-~]*):[ \t]*(.*)$/;

/**
 * Reads deb822(5) text: paragraphs of `Name: value` lines, continued by lines that begin with a blank, parted by empty lines. `where` names
 * the file for messages. Throws PACKAGE, with the number of the line, for a line that is neither, a field that comes twice, a NUL, or
 * beyond bounds.
 */
export function parseParagraphs(text: string, where: string, bounds: ParagraphBounds = {}): Paragraph[] {
  const { fieldLength = 8 << 20, fields = 200, paragraphs = 10_000, comments = false } = bounds;
  const found: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  let name = "";
  let number = 0;
  const bad = (why: string) => new Failure("PACKAGE", `${printable(where)}, line ${number}: ${why}`);
  let value: string[] = [];
  let length = 0;
  const finish = () => {
    if (name !== "") current?.set(name, value.join("\n"));
    name = "";
  };
  if (text.includes("\0")) throw new Failure("PACKAGE", `${printable(where)}: it holds a NUL byte`);
  for (const raw of text.split("\n")) {
    number++;
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (comments && line.startsWith("#")) continue;
    if (line.trim() === "") {
      finish();
      current = undefined;
      continue;
    }
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (name === "") throw bad("a continuation without a field");
      length += line.length;
      if (length > fieldLength) throw bad(`the field ${printable(name)} is longer than ${fieldLength} characters`);
      value.push(line.slice(1));
      continue;
    }
    const [, key, start] = FIELD.exec(line) ?? [];
    if (key === undefined || start === undefined) throw bad(`neither a field nor its continuation: "${printable(line.slice(0, 60))}"`);
    finish();
    if (current === undefined) {
      current = new Map();
      found.push(current);
      if (found.length > paragraphs) throw bad(`more than ${paragraphs} paragraphs`);
    }
    name = key.toLowerCase();
    if (current.has(name)) throw bad(`the field ${printable(key)} comes twice`);
    if (current.size >= fields) throw bad(`more than ${fields} fields in one paragraph`);
    length = start.length;
    if (length > fieldLength) throw bad(`the field ${printable(name)} is longer than ${fieldLength} characters`);
    value = [start.trimEnd()];
  }
  finish();
  return found;
}

/** The words of a value, whatever blanks and line breaks part them. */
export function words(value: string | undefined): string[] {
  return (value ?? "").split(/\s+/).filter((word) => word !== "");
}
