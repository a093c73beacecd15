/** Where nought means to differ from docker 28.5.2. Each row has its reason; a row that no longer matches anything fails the test. */
import type { Difference } from "./compare.ts";

export interface Known {
  /** Name of the case. */
  readonly name: string;
  /** Beginning of the field, as compare.ts names it; for a failure "error". */
  readonly field: string;
  readonly reason: string;
}

export const KNOWN: readonly Known[] = [
  {
    name: "chown-user-not-in-passwd",
    field: "error",
    reason: "docker takes an unknown user for root without a word; nought says that it is not there",
  },
  { name: "chown-user-not-in-passwd-group", field: "error", reason: "the same" },
  { name: "chown-group-not-in-group", field: "error", reason: "the same for groups" },
  { name: "add-tar-odd", field: "error", reason: "names like whiteouts would become deletions; nought refuses to unpack them" },
  {
    name: "add-tar-plain-odd",
    field: "tree /o/xattr xattrs",
    reason: "docker's classic store drops user.* attributes, nought keeps what the archive has",
  },
  {
    name: "add-tar-hardlink-symlink",
    field: "tree /o/l same",
    reason: "a hard link to a symlink becomes a second symlink: the same for everybody but ls -i",
  },
  {
    name: "add-tar-symlink-escape",
    field: "error",
    reason: "a link that points out of the image is kept; whoever follows it stays inside the image",
  },
  {
    name: "copy-missing-wildcard-in-dir",
    field: "error",
    reason: "docker fails only because its client sent nothing of the folder; nought treats it like any wildcard without a match",
  },
  { name: "copy-non-utf8", field: "error", reason: "docker's transport cannot carry such names; nought can" },
  { name: "copy-wildcard-escape", field: "error", reason: 'nought honours the escape in "st\\\\*r", as the reference describes it' },
  { name: "stage-name-reserved", field: "error", reason: "scratch is a reserved name everywhere in nought" },
  {
    name: "named-context-base",
    field: "history",
    reason:
      "FROM a folder: docker puts the missing line for its layer last, under another step's name; nought puts it first, where the layer is",
  },
  { name: "named-context-base-user", field: "history", reason: "the same" },
];

/** Splits differences into those of the table and the rest; `unused` are the rows of this case that nothing matched. */
export function sift(
  name: string,
  all: readonly Difference[],
): { readonly rest: readonly Difference[]; readonly unused: readonly Known[] } {
  const mine = KNOWN.filter((known) => known.name === name);
  const matches = (known: Known, one: Difference) => one.field.startsWith(known.field);
  return {
    rest: all.filter((one) => !mine.some((known) => matches(known, one))),
    unused: mine.filter((known) => !all.some((one) => matches(known, one))),
  };
}
