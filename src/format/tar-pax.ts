import { decodeName } from "../kit/bytes.ts";
import { printable } from "../kit/printable.ts";

/** What PAX records say about a member, in our words. Missing: not said. */
export interface PaxFacts {
  path?: string;
  link?: string;
  size?: number;
  uid?: number;
  gid?: number;
  uname?: string;
  gname?: string;
  /** Seconds, with their fraction. */
  mtime?: number;
  xattrs?: Map<string, Uint8Array>;
  /** Records of a sparse file (GNU.sparse.*). */
  sparse?: true;
}

const XATTR = "SCHILY.xattr.";

/**
 * Reads the body of a PAX extended header (POSIX pax, "pax Header Block"): records of the form `LENGTH KEY=VALUE\n`, where LENGTH
 * counts itself. Later records override earlier ones, an empty value takes one back. Records that do not concern us are passed
 * over; a malformed one is a `string` that says what is wrong. Values of extended attributes are bytes, all others are text without NUL.
 */
export function parsePax(body: Buffer): PaxFacts | string {
  const facts: PaxFacts = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? "" : body.toString("latin1", at, space);
    if (!/^[1-9][0-9]*$/.test(digits)) return "a PAX record does not begin with its length";
    const end = at + Number(digits);
    const equals = body.indexOf(0x3d, space);
    if (end > body.length || body[end - 1] !== 0x0a || end <= space + 2) return "the length of a PAX record is wrong";
    if (equals < 0 || equals >= end - 1 || equals === space + 1) return "a PAX record has no key";
    const key = decodeName(body.subarray(space + 1, equals));
    if (key.includes("\0")) return "the key of a PAX record holds a zero byte";
    const problem = record(facts, key, body.subarray(equals + 1, end - 1));
    if (problem) return `PAX record ${printable(key.slice(0, 100))}: ${problem}`;
    at = end;
  }
  return facts;
}

/** Takes one record over. Says what is wrong with it. */
function record(facts: PaxFacts, key: string, value: Buffer): string | undefined {
  if (key.startsWith(XATTR)) {
    if (key.length === XATTR.length) return "no name";
    facts.xattrs ??= new Map();
    // The value is copied: the body may lie in a buffer that is used again.
    facts.xattrs.set(key.slice(XATTR.length), Uint8Array.from(value));
    return undefined;
  }
  if (key.startsWith("GNU.sparse.")) facts.sparse = true;
  const field = FIELDS[key];
  if (!field) return undefined;
  if (value.includes(0)) return "the value holds a zero byte";
  if (value.length === 0) {
    delete facts[field];
    return undefined;
  }
  const text = decodeName(value);
  if (field === "path" || field === "link" || field === "uname" || field === "gname") facts[field] = text;
  else {
    const form = field === "mtime" ? /^-?[0-9]{1,16}(\.[0-9]*)?$/ : /^[0-9]{1,16}$/;
    const number = form.test(text) ? Number(text) : Number.NaN;
    if (!(Math.abs(number) <= Number.MAX_SAFE_INTEGER)) return `not a number that can be: ${printable(text.slice(0, 40))}`;
    facts[field] = number;
  }
  return undefined;
}

const FIELDS: Readonly<Record<string, Exclude<keyof PaxFacts, "xattrs" | "sparse">>> = {
  __proto__: null as never,
  path: "path",
  linkpath: "link",
  size: "size",
  uid: "uid",
  gid: "gid",
  uname: "uname",
  gname: "gname",
  mtime: "mtime",
};
