import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { isVersion, type VersionRelation } from "./version.ts";

/** One way to satisfy a dependency: `libc6:any (>= 2.36)`. */
export interface Wanted {
  readonly name: string;
  /** After the colon: `any`, `native` or a processor; undefined without one. */
  readonly qualifier?: string;
  readonly relation?: VersionRelation;
  readonly version?: string;
}

/** Alternatives in the order of preference: `a | b`. At least one. */
export type Alternatives = readonly Wanted[];

/** Bytes of one field, and parts of it. */
const FIELD = 1 << 20;
const FORM = /^([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s()]+)\s*\))?$/i;
const NAME = /^[a-z0-9][a-z0-9+.-]{0,200}$/;

/** Whether a string may be the name of a package (deb-control(5), Package). */
export function isPackageName(text: string): boolean {
  return NAME.test(text);
}

/**
 * Reads a relationship field of a binary package (Debian Policy 7.1) as the index has it: comma-separated groups of alternatives. Blank
 * groups are passed over, as dpkg does. `where` names the field and package for messages. Throws PACKAGE for a form that is none.
 * @example parseRelations("a (>= 1) | b, c", "x") → [[{name:"a",relation:">=",version:"1"},{name:"b"}],[{name:"c"}]]
 */
export function parseRelations(field: string, where: string): readonly Alternatives[] {
  if (field === "") return [];
  if (field.length > FIELD) throw new Failure("PACKAGE", `${printable(where)}: the field is longer than ${FIELD} bytes`);
  return field
    .split(",")
    .map((group) => group.trim())
    .filter((group) => group !== "")
    .map((group) => group.split("|").map((part) => parseWanted(part.trim(), where)));
}

/** One package with its relation: a part of a field, or what a person asks for. Throws PACKAGE. */
export function parseWanted(text: string, where: string): Wanted {
  const [, name, qualifier, sign, version] = FORM.exec(text) ?? [];
  const bad = (why: string) => new Failure("PACKAGE", `${printable(where)}: "${printable(text.slice(0, 100))}" ${why}`);
  if (name === undefined) throw bad("is not a relation to a package");
  if (version !== undefined && !isVersion(version)) throw bad("has no version that dpkg knows");
  const relation = sign === "<" ? "<=" : sign === ">" ? ">=" : (sign as VersionRelation | undefined);
  return {
    name: name.toLowerCase(),
    ...(qualifier === undefined ? {} : { qualifier }),
    ...(relation === undefined || version === undefined ? {} : { relation, version }),
  };
}

/** `libc6 (>= 2.36)`, for messages. */
export function formatWanted({ name, qualifier, relation, version }: Wanted): string {
  const full = qualifier === undefined ? name : `${name}:${qualifier}`;
  return printable(relation === undefined ? full : `${full} (${relation} ${version})`);
}
