import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** Gives the new mode (07777) of an entry with that old mode. */
export type ModeApply = (mode: number, isDir: boolean) => number;

export interface ModeChange {
  readonly apply: ModeApply;
  /** Mode of directories that the destination needs and that are not there: docker cuts an octal mode from 0755. */
  readonly created: number;
}

const WHO = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 } as const;

/**
 * Reads `--chmod`: octal (0 to 07777), which replaces the mode, or symbolic as chmod(1) has it (`u=rwX,go-w`, `a+X`, `g=u`, `+t`).
 * Without `ugoa` a clause means all. Throws PLAN with docker's words.
 */
export function parseMode(text: string): ModeChange {
  if (/^[0-9]+$/.test(text)) {
    const value = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
    if (!(value <= 0o7777))
      throw new Failure("PLAN", `invalid chmod parameter: '${printable(text)}'. it should be octal string and between 0 and 07777`);
    return { apply: () => value, created: 0o755 & value };
  }
  const clauses = text.split(",").map((clause) => parseClause(clause, text));
  return { apply: (mode, isDir) => clauses.reduce((now, apply) => apply(now, isDir), mode), created: 0o755 };
}

function parseClause(clause: string, whole: string): ModeApply {
  const form = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(clause);
  if (!form)
    throw new Failure(
      "PLAN",
      `invalid chmod parameter: '${printable(whole)}': invalid syntax. it should be octal or symbolic, like 0755 or u=rwX,go=rX`,
    );
  const [, who = "", rest = ""] = form;
  const mask = who === "" ? WHO.a : [...who].reduce((bits, letter) => bits | WHO[letter as keyof typeof WHO], 0);
  const actions = [...rest.matchAll(/([-+=])([rwxXstugo]*)/g)].map(([, sign = "=", perms = ""]) => ({ sign, perms }));
  return (mode, isDir) => {
    let now = mode;
    for (const { sign, perms } of actions) {
      const bits = bitsOf(perms, now, isDir) & mask;
      if (sign === "+") now |= bits;
      else if (sign === "-") now &= ~bits;
      else now = (now & ~mask) | bits;
    }
    return now & 0o7777;
  };
}

/** The bits that letters stand for, in all three places; the caller masks them. */
function bitsOf(perms: string, mode: number, isDir: boolean): number {
  let bits = 0;
  for (const letter of perms) {
    switch (letter) {
      case "r":
        bits |= 0o444;
        break;
      case "w":
        bits |= 0o222;
        break;
      case "x":
        bits |= 0o111;
        break;
      case "X":
        if (isDir || (mode & 0o111) !== 0) bits |= 0o111;
        break;
      case "s":
        bits |= 0o6000;
        break;
      case "t":
        bits |= 0o1000;
        break;
      // What a place lends goes with its set-id bit, as docker's copier has it.
      case "u":
        bits |= (((mode >> 6) & 7) * 0o111) | (mode & 0o4000 ? 0o6000 : 0);
        break;
      case "g":
        bits |= (((mode >> 3) & 7) * 0o111) | (mode & 0o2000 ? 0o6000 : 0);
        break;
      case "o":
        bits |= (mode & 7) * 0o111;
        break;
    }
  }
  return bits;
}
