import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { words } from "./deb822.ts";
import type { PackageRecord } from "./face.ts";
import { isPackageName } from "./relation.ts";
import { isVersion } from "./version.ts";

/** Bytes of one field, and packages of one index. Debian's largest index has some 65,000. */
const FIELD = 1 << 20;
const MOST = 1_000_000;

/** What is kept of a paragraph, by its place in the list of values; everything else is passed over unread. */
const KEPT = [
  "package",
  "version",
  "architecture",
  "multi-arch",
  "essential",
  "priority",
  "source",
  "installed-size",
  "pre-depends",
  "depends",
  "recommends",
  "conflicts",
  "breaks",
  "replaces",
  "provides",
  "filename",
  "size",
  "sha256",
] as const;
const LONGEST_NAME = Math.max(...KEPT.map((name) => name.length));
/** Bytes that are made a string at a time: an index is too large to be in memory twice. */
const SLICE = 4 << 20;
const SPACE = 32;
const TAB = 9;
const COLON = 58;

/**
 * Reads an index of packages (deb822, Debian Policy 5.3) from memory: `each` gets one record after another in the order of the file, all of
 * whose values are checked for their form. Throws PACKAGE with the place for a paragraph without a name, a field that comes twice or is too
 * long, a path that leads elsewhere; LIMIT for too many. Made for speed: an index has a million lines.
 */
export function parsePackages(bytes: Buffer, suite: string, where: string, each: (record: PackageRecord) => void): void {
  let count = 0;
  const counted = (record: PackageRecord) => {
    if (++count > MOST) throw new Failure("LIMIT", `${printable(where)}: more than ${MOST} packages`);
    each(record);
  };
  for (let from = 0; from < bytes.length; ) {
    const border = bytes.length - from > SLICE ? bytes.indexOf("\n\n", from + SLICE, "latin1") : -1;
    const to = border < 0 ? bytes.length : border + 2;
    parseSlice(bytes.subarray(from, to), from, suite, where, counted);
    from = to;
  }
}

/** Some whole paragraphs; `base` is where they begin in the file. */
function parseSlice(bytes: Buffer, base: number, suite: string, where: string, each: (record: PackageRecord) => void): void {
  // One character for each byte: parts of it are not copied. What is kept is ASCII but for rare exceptions (see `plain`).
  const text = bytes.toString("latin1");
  const places = new Map<string, number>(KEPT.map((name, place) => [name, place]));
  let values: (string | undefined)[] = [];
  let last = -1;
  let started = false;
  const bad = (at: number, why: string) => new Failure("PACKAGE", `${printable(where)}, byte ${base + at}: ${why}`);
  const finish = (at: number) => {
    if (!started) return;
    each(toRecord(values, suite, (why) => bad(at, why)));
    values = [];
    last = -1;
    started = false;
  };
  const keep = (place: number, value: string, at: number) => {
    if (value.length > FIELD) throw bad(at, `the field ${KEPT[place]} is longer than ${FIELD} bytes`);
    values[place] = value;
  };
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const first = text.charCodeAt(at);
    if (end === at || (first === 13 && end === at + 1)) finish(at);
    else if (first === SPACE || first === TAB) {
      if (!started) throw bad(at, "a continuation without a field");
      if (last >= 0) {
        const more = plain(text.slice(at, end).trim(), () => bad(at, `control characters in the field ${KEPT[last]}`));
        keep(last, `${values[last]} ${more}`, at);
      }
    } else {
      started = true;
      const colon = fieldEnd(text, at, end);
      if (colon < 0) throw bad(at, "neither a field nor its continuation");
      const place = colon - at > LONGEST_NAME ? undefined : placeOf(places, text.slice(at, colon));
      last = place ?? -1;
      if (place !== undefined) {
        if (values[place] !== undefined) throw bad(at, `the field ${KEPT[place]} comes twice`);
        keep(
          place,
          plain(text.slice(colon + 1, end).trim(), () => bad(at, `control characters in the field ${KEPT[place]}`)),
          at,
        );
      }
    }
    at = end + 1;
  }
  finish(text.length);
}

/** The place of a field in the list, -1 made undefined. Spellings are learned: archives write each name one way. */
function placeOf(places: Map<string, number>, name: string): number | undefined {
  const known = places.get(name);
  if (known !== undefined) return known < 0 ? undefined : known;
  const place = KEPT.indexOf(name.toLowerCase() as (typeof KEPT)[number]);
  if (places.size < 1000) places.set(name, place);
  return place < 0 ? undefined : place;
}

/** The colon after the name of a field; -1 where the line is none. */
function fieldEnd(text: string, at: number, end: number): number {
  for (let n = at; n < end; n++) {
    const code = text.charCodeAt(n);
    if (code === COLON) return n > at ? n : -1;
    if (code <= SPACE || code >= 127) return -1;
  }
  return -1;
}

/** Bytes that were read one by one, as the UTF-8 they are. Signed or not, control characters have no place in what we keep. */
function plain(text: string, refuse: () => Failure): string {
  if (!/[^\t\x20-\x7e]/.test(text)) return text;
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(text)) throw refuse();
  return Buffer.from(text, "latin1").toString("utf8");
}

function toRecord(values: readonly (string | undefined)[], suite: string, bad: (why: string) => Failure): PackageRecord {
  const [name = "", version, architecture, multiArch, essential, priority = "", sourceField = "", installed = "", ...rest] = values;
  const [preDepends = "", depends = "", recommends = "", conflicts = "", breaks = "", replaces = "", provides = "", path, size, sum = ""] =
    rest;
  if (name === "") throw bad("a package without a name");
  if (!isPackageName(name)) throw bad(`"${printable(name.slice(0, 80))}" cannot be the name of a package`);
  if (version === undefined) throw bad(`${name} has no version`);
  if (!isVersion(version)) throw bad(`${name}: "${printable(version.slice(0, 80))}" is not a version`);
  if (path === undefined) throw bad(`${name} has no filename`);
  if (!isPoolPath(path)) throw bad(`${name}: its Filename "${printable(path.slice(0, 120))}" leads out of the archive`);
  if (size === undefined || !/^\d{1,15}$/.test(size)) throw bad(`${name}: its Size is not a number`);
  const sha256 = sum.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw bad(`${name} has no SHA256: weaker sums do not count`);
  if (architecture === undefined || !/^[a-z0-9][a-z0-9-]{0,40}$/.test(architecture)) throw bad(`${name}: its Architecture is not a word`);
  const [source = name, sourceVersion = version] = sourceField === "" ? [] : words(sourceField.replace(/\(([^)]*)\)/, " $1 "));
  return {
    name,
    version,
    architecture,
    suite,
    path,
    size: Number(size),
    sha256,
    multiArch: multiArch === "same" || multiArch === "foreign" || multiArch === "allowed" ? multiArch : "no",
    essential: essential === "yes",
    priority,
    source,
    sourceVersion,
    installedSize: Number(/^\d{1,12}$/.test(installed) ? installed : 0) * 1024,
    preDepends,
    depends,
    recommends,
    conflicts,
    breaks,
    replaces,
    provides,
  };
}

/** Whether a path stays below the archive's root whatever a server or a file system makes of it. */
export function isPoolPath(path: string): boolean {
  if (path.length > 1000 || !/^[A-Za-z0-9+.,:=@_~^/-]+$/.test(path)) return false;
  return !/\/(?:\.{0,2}\/|\.{0,2}$)/.test(`/${path.startsWith("./") ? path.slice(2) : path}`);
}
