/** One challenge of a WWW-Authenticate header: how a registry wants to be shown who asks. RFC 9110, section 11.6.1. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** A header longer than this is not looked at. */
const LONGEST = 16 << 10;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const SPACE = /[ \t,]*/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const BARE = /[^\s,"]*/y;

/** Reads all challenges of a header. What cannot be read ends the reading; nothing is thrown. */
export function readChallenges(header: string | undefined): readonly Challenge[] {
  const text = header ?? "";
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  if (text.length > LONGEST) return challenges;
  let at = 0;
  const take = (form: RegExp): RegExpExecArray | null => {
    form.lastIndex = at;
    const found = form.exec(text);
    if (found) at = form.lastIndex;
    return found;
  };
  for (;;) {
    take(SPACE);
    const word = take(TOKEN)?.[0];
    if (word === undefined) return challenges;
    const before = at;
    const current = challenges.at(-1);
    if (current && take(EQUALS) && text[before] !== undefined) {
      const value = take(QUOTED)?.[1]?.replaceAll(/\\(.)/g, "$1") ?? take(BARE)?.[0] ?? "";
      if (!current.parameters.has(word.toLowerCase())) current.parameters.set(word.toLowerCase(), value);
      continue;
    }
    at = before;
    challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
  }
}
