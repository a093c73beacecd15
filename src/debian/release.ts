import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { parseParagraphs, words } from "./deb822.ts";

/** What pins one file of a suite: bytes, and the strongest sum there is. Hex in lower case. */
export interface Pin {
  readonly size: number;
  readonly algorithm: "sha256" | "sha512";
  readonly sum: string;
}

/** The signed table of contents of a suite (Debian Wiki, DebianRepository/Format). */
export interface Release {
  readonly origin: string;
  readonly label: string;
  readonly suite: string;
  readonly codename: string;
  /** Milliseconds since the epoch. */
  readonly date: number | undefined;
  readonly validUntil: number | undefined;
  readonly byHash: boolean;
  /** Whether its packages count only where they are asked for (backports, experimental). */
  readonly notAutomatic: boolean;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  /** Whether packages for `all` have an index of their own beside those of the processors. */
  readonly separateAll: boolean;
  /** By path below the suite's folder: `main/binary-amd64/Packages.xz`. */
  readonly files: ReadonlyMap<string, Pin>;
}

/** Lines of one list of sums. Debian has about 1,500. */
const MOST_FILES = 100_000;

/**
 * Reads the text of a Release file whose signature was verified. Throws PACKAGE for a damaged one, SIGNATURE where it only has weak sums.
 */
export function parseRelease(text: string, where: string): Release {
  const [fields, ...rest] = parseParagraphs(text, where);
  if (fields === undefined || rest.length > 0) throw new Failure("PACKAGE", `${printable(where)}: it must be exactly one paragraph`);
  const get = (name: string) => (fields.get(name) ?? "").trim();
  const files = new Map<string, Pin>();
  for (const algorithm of ["sha256", "sha512"] as const) {
    for (const [path, pin] of sums(get(algorithm), algorithm, where)) files.set(path, pin);
  }
  if (files.size === 0) {
    const weak = ["md5sum", "sha1"].filter((name) => fields.has(name));
    throw new Failure(
      "SIGNATURE",
      `${printable(where)}: it lists no file with a sum that counts (${weak.length > 0 ? `only ${weak.join(" and ")}` : "none at all"})`,
      {
        hint: "MD5 and SHA-1 can be forged; the archive must offer SHA256.",
      },
    );
  }
  const architectures = words(get("architectures"));
  return {
    origin: get("origin"),
    label: get("label"),
    suite: get("suite"),
    codename: get("codename"),
    date: instant(fields.get("date"), `${where}: Date`),
    validUntil: instant(fields.get("valid-until"), `${where}: Valid-Until`),
    byHash: get("acquire-by-hash").toLowerCase() === "yes",
    notAutomatic: get("notautomatic").toLowerCase() === "yes",
    components: words(get("components")),
    architectures,
    separateAll: architectures.includes("all") && !words(get("no-support-for-architecture-all")).includes("Packages"),
    files,
  };
}

function* sums(list: string, algorithm: Pin["algorithm"], where: string): Generator<readonly [string, Pin]> {
  const digits = algorithm === "sha256" ? 64 : 128;
  let count = 0;
  for (const line of list.split("\n")) {
    if (line.trim() === "") continue;
    const [sum = "", size = "", path = "", ...rest] = words(line);
    if (!/^[0-9a-fA-F]+$/.test(sum) || sum.length !== digits || !/^\d{1,15}$/.test(size) || path === "" || rest.length > 0)
      throw new Failure("PACKAGE", `${printable(where)}: not a line of sums: "${printable(line.slice(0, 100))}"`);
    if (++count > MOST_FILES) throw new Failure("LIMIT", `${printable(where)}: more than ${MOST_FILES} files are listed`);
    yield [path, { size: Number(size), algorithm, sum: sum.toLowerCase() }];
  }
}

/** Milliseconds of an RFC 5322 date in UTC, the only form that Debian writes: `Sat, 11 Jul 2026 10:16:37 UTC`. */
function instant(text: string | undefined, where: string): number | undefined {
  if (text === undefined) return undefined;
  const plain = text.trim();
  const time = /^[A-Za-z]{3}, [0-9 ]?\d [A-Za-z]{3} \d{4} [0-9 ]?\d:\d\d:\d\d (?:UTC|GMT|Z|[+-]0000)$/.test(plain)
    ? Date.parse(plain.replace(/ Z$/, " UTC"))
    : Number.NaN;
  if (Number.isNaN(time)) throw new Failure("PACKAGE", `${printable(where)}: "${printable(plain.slice(0, 60))}" is not a date in UTC`);
  return time;
}
