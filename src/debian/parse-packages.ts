import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { words } from "./deb822.ts";
import type { PackageRecord } from "./face.ts";
import { isPackageName } from "./relation.ts";
import { isVersion } from "./version.ts";

/** Bytes of one field, and packages of one index. Debian's largest index has some 65,000. */
const FIELD = 1 << 20;
const MOST = 1_000_000;

/** What is kept of a paragraph; everything else is passed over unread. */
const KEPT: ReadonlySet<string> = new Set(
  (
    "package version architecture multi-arch essential priority source installed-size pre-depends depends recommends conflicts breaks replaces " +
    "provides filename size sha256"
  ).split(" "),
);
const FIRST = new Set([...KEPT].flatMap((name) => [name.charCodeAt(0), name.toUpperCase().charCodeAt(0)]));

/**
 * Reads an index of packages (deb822, Debian Policy 5.3) from memory: `each` gets one record after another in the order of the file, all of
 * whose values are checked for their form. Throws PACKAGE with the place for a paragraph without a name, a field that comes twice or is too
 * long, a path that leads elsewhere; LIMIT for too many.
 */
export function parsePackages(bytes: Buffer, suite: string, where: string, each: (record: PackageRecord) => void): void {
  let fields = new Map<string, string>();
  let last: string | undefined;
  let kept = false;
  let started = false;
  let count = 0;
  const bad = (at: number, why: string) => new Failure("PACKAGE", `${printable(where)}, byte ${at}: ${why}`);
  const finish = (at: number) => {
    if (!started) return;
    if (++count > MOST) throw new Failure("LIMIT", `${printable(where)}: more than ${MOST} packages`);
    each(toRecord(fields, suite, (why) => bad(at, why)));
    fields = new Map();
    last = undefined;
    started = false;
  };
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline;
    const first = bytes[at] as number;
    if (end === at || (first === 13 && end === at + 1)) finish(at);
    else if (first === 32 || first === 9) {
      if (!started) throw bad(at, "a continuation without a field");
      if (kept && last !== undefined) {
        const longer = `${fields.get(last)} ${bytes.toString("utf8", at, end).trim()}`;
        if (longer.length > FIELD) throw bad(at, `the field ${last} is longer than ${FIELD} bytes`);
        fields.set(last, longer);
      }
    } else {
      started = true;
      kept = false;
      if (FIRST.has(first)) {
        const colon = bytes.indexOf(58, at);
        if (colon < 0 || colon > end) throw bad(at, "neither a field nor its continuation");
        last = colon - at > 20 ? undefined : bytes.toString("latin1", at, colon).toLowerCase();
        kept = last !== undefined && KEPT.has(last);
        if (kept && last !== undefined) {
          if (end - colon > FIELD) throw bad(at, `the field ${last} is longer than ${FIELD} bytes`);
          if (fields.has(last)) throw bad(at, `the field ${last} comes twice`);
          fields.set(last, bytes.toString("utf8", colon + 1, end).trim());
        }
      } else if (!isFieldLine(bytes, at, end)) throw bad(at, "neither a field nor its continuation");
    }
    at = end + 1;
  }
  finish(bytes.length);
}

/** Lines of fields that we do not keep must still be fields. */
function isFieldLine(bytes: Buffer, at: number, end: number): boolean {
  for (let n = at; n < end; n++) {
    const code = bytes[n] as number;
    if (code === 58) return n > at;
    if (code <= 32 || code >= 127) return false;
  }
  return false;
}

function toRecord(fields: ReadonlyMap<string, string>, suite: string, bad: (why: string) => Failure): PackageRecord {
  const name = fields.get("package") ?? "";
  if (name === "") throw bad("a package without a name");
  if (!isPackageName(name)) throw bad(`"${printable(name.slice(0, 80))}" cannot be the name of a package`);
  const get = (field: string, fallback?: string): string => {
    const value = fields.get(field) ?? fallback;
    if (value === undefined) throw bad(`${name} has no ${field}`);
    return value;
  };
  const version = get("version");
  if (!isVersion(version)) throw bad(`${name}: "${printable(version.slice(0, 80))}" is not a version`);
  const path = get("filename");
  if (!isPoolPath(path)) throw bad(`${name}: its Filename "${printable(path.slice(0, 120))}" leads out of the archive`);
  const size = Number(/^\d{1,15}$/.test(get("size")) ? get("size") : Number.NaN);
  if (Number.isNaN(size)) throw bad(`${name}: its Size is not a number`);
  const sha256 = get("sha256", "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw bad(`${name} has no SHA256: weaker sums do not count`);
  const architecture = get("architecture");
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(architecture)) throw bad(`${name}: its Architecture is not a word`);
  const [source = name, given] = words(get("source", "").replace(/\(([^)]*)\)/, " $1 "));
  const multiArch = get("multi-arch", "no");
  return {
    name,
    version,
    architecture,
    suite,
    path,
    size,
    sha256,
    multiArch: multiArch === "same" || multiArch === "foreign" || multiArch === "allowed" ? multiArch : "no",
    essential: get("essential", "no") === "yes",
    priority: get("priority", ""),
    source,
    sourceVersion: given ?? version,
    installedSize: Number(/^\d{1,12}$/.test(get("installed-size", "")) ? get("installed-size") : 0) * 1024,
    preDepends: get("pre-depends", ""),
    depends: get("depends", ""),
    recommends: get("recommends", ""),
    conflicts: get("conflicts", ""),
    breaks: get("breaks", ""),
    replaces: get("replaces", ""),
    provides: get("provides", ""),
  };
}

/** Whether a path stays below the archive's root whatever a server or a file system makes of it. */
export function isPoolPath(path: string): boolean {
  if (path.length > 1000 || !/^[A-Za-z0-9+.,:=@_~^/-]+$/.test(path)) return false;
  return !/\/(?:\.{0,2}\/|\.{0,2}$)/.test(`/${path.startsWith("./") ? path.slice(2) : path}`);
}
