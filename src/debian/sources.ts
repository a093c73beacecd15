import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { parseParagraphs, words } from "./deb822.ts";

/** One entry of apt's sources: packages (not sources of packages) of some suites at some places. sources.list(5). */
export interface Source {
  /** Roots of archives without a slash at the end: `http:`, `https:`, `file:`, `copy:`. */
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Paths, fingerprints, or one armored key; where empty, what the machine trusts. */
  readonly signedBy: readonly string[];
  /** Accepted without a signature: the owner of the machine says so. */
  readonly trusted: boolean;
  /** `yes`, `no`, `force`; undefined leaves it to the Release file. */
  readonly byHash?: string;
  /** Whether Valid-Until and Date count; undefined leaves it to apt's configuration. */
  readonly checkValidUntil?: boolean;
  readonly checkDate?: boolean;
}

const FILE_BYTES = 1 << 20;

/**
 * The sources that the machine's apt uses (whatever processors they are limited to: an image may be for another): `sources.list` and the
 * `.list` and `.sources` files beside it, in apt's order. Entries of a kind that we cannot read (cdrom, mirror lists of a server, flat
 * repositories) are left out and told to `note`. `root` stands for `/`. Throws PACKAGE for a file that does not parse, STORAGE.
 */
export function readAptSources(root: string, note: (text: string) => void): Source[] {
  const folder = join(root, "etc/apt/sources.list.d");
  const names = namesIn(folder).filter((name) => /^[A-Za-z0-9_.-]+\.(?:list|sources)$/.test(name));
  const files = ["etc/apt/sources.list", ...names.sort().map((name) => `etc/apt/sources.list.d/${name}`)];
  return files.flatMap((file) => {
    const text = readMaybe(join(root, file));
    if (text === undefined) return [];
    return file.endsWith(".sources") ? parseSources(text, `/${file}`, note, root) : parseSourcesList(text, `/${file}`, note, root);
  });
}

/** The sources in a deb822 file of somebody's own; none where it does not exist. Throws PACKAGE, STORAGE. */
export function readSourcesFile(path: string, note: (text: string) => void): Source[] {
  const text = readMaybe(path);
  return text === undefined ? [] : parseSources(text, path, note);
}

/** The deb822 form. `root` stands for `/` in the paths of mirror lists. */
export function parseSources(text: string, where: string, note: (text: string) => void, root = "/"): Source[] {
  return parseParagraphs(text, where, { comments: true, fieldLength: FILE_BYTES }).flatMap((fields) => {
    if (!words(fields.get("types")).includes("deb") || isNo(fields.get("enabled"))) return [];
    const signedBy = fields.get("signed-by") ?? "";
    const option = (name: string) => fields.get(name)?.trim();
    return build(
      {
        uris: words(fields.get("uris")),
        suites: words(fields.get("suites")),
        components: words(fields.get("components")),
        // Within a field, a line with a dot alone stands for an empty one.
        signedBy: signedBy.includes("-----BEGIN PGP") ? [signedBy.trim().replace(/^\.$/gm, "")] : signedBy.split(/[\s,]+/).filter(Boolean),
        option,
      },
      where,
      note,
      root,
    );
  });
}

/** The form with one line for each entry: `deb [option=value …] uri suite component…`. */
export function parseSourcesList(text: string, where: string, note: (text: string) => void, root = "/"): Source[] {
  return text.split("\n").flatMap((raw, index) => {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "" || /^deb-src\s/.test(line)) return [];
    const [, bracket = "", rest = ""] = /^deb\s+(?:\[([^\]]*)\]\s*)?(.*)$/.exec(line) ?? [];
    const [uri, suite, ...components] = words(rest);
    if (uri === undefined || suite === undefined)
      throw new Failure("PACKAGE", `${printable(where)}, line ${index + 1}: not an entry of sources.list(5)`);
    const options = new Map<string, string>();
    for (const [, key = "", value = ""] of bracket.matchAll(/([A-Za-z-]+)[+-]?=(\S+)/g)) options.set(key.toLowerCase(), value);
    return build(
      {
        uris: [uri],
        suites: [suite],
        components,
        signedBy: (options.get("signed-by") ?? "").split(",").filter(Boolean),
        option: (name) => options.get(name),
      },
      `${where}, line ${index + 1}`,
      note,
      root,
    );
  });
}

interface Parts {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: readonly string[];
  readonly option: (name: string) => string | undefined;
}

function build({ option, ...parts }: Parts, where: string, note: (text: string) => void, root: string): Source[] {
  const uris = parts.uris.flatMap((uri) => {
    if (isArchiveRoot(uri)) return [uri];
    if (/^mirror\+file:\//i.test(uri)) return mirrorList(uri.replace(/^mirror\+file:\/*/i, "/"), root, note);
    note(`${printable(where)}: a source of the kind ${printable(uri.split(":")[0] ?? "")}: cannot be read and is left out`);
    return [];
  });
  const suites = parts.suites.filter((suite) => {
    if (isSuiteName(suite)) return true;
    note(`${printable(where)}: the suite ${printable(suite)} is not one of a Debian archive and is left out`);
    return false;
  });
  if (uris.length === 0 || suites.length === 0) return [];
  const byHash = option("by-hash");
  const until = option("check-valid-until");
  const date = option("check-date");
  return [
    {
      ...parts,
      uris: uris.map(plainRoot),
      suites,
      trusted: isYes(option("trusted")),
      ...(byHash === undefined ? {} : { byHash }),
      ...(until === undefined ? {} : { checkValidUntil: !isNo(until) }),
      ...(date === undefined ? {} : { checkDate: !isNo(date) }),
    },
  ];
}

/**
 * The archive roots of a mirror list, the preferred first: one in each line, maybe with `priority:NUMBER` behind it, where less is better
 * (apt-transport-mirror(1)). Other things said of a mirror are passed over: what one does not have is asked of the next.
 */
function mirrorList(path: string, root: string, note: (text: string) => void): string[] {
  const text = readMaybe(join(root, path));
  if (text === undefined) {
    note(`the mirror list ${printable(path)} does not exist`);
    return [];
  }
  const mirrors = text.split("\n").flatMap((line) => {
    const [uri = "", ...more] = words(line.replace(/#.*/, ""));
    if (uri === "") return [];
    if (!isArchiveRoot(uri)) {
      note(`${printable(path)}: ${printable(uri.slice(0, 100))} is not the URL of an archive and is left out`);
      return [];
    }
    const priority = Number(/^priority:(\d{1,9})$/.exec(more.find((one) => one.startsWith("priority:")) ?? "")?.[1] ?? Number.MAX_VALUE);
    return [{ uri, priority }];
  });
  return mirrors.sort((a, b) => a.priority - b.priority).map(({ uri }) => uri);
}

/** Whether something can be the root of an archive for us. */
export function isArchiveRoot(uri: string): boolean {
  return /^(?:https?:\/\/[^/\s]+|(?:file|copy):\/)/i.test(uri) && URL.canParse(uri);
}

/** Without slashes at the end. */
export function plainRoot(uri: string): string {
  return uri.replace(/\/+$/, "");
}

/** A suite is one or more plain names below `dists/`: `bookworm`, `bookworm-security`, `bullseye/updates`. */
export function isSuiteName(name: string): boolean {
  return name.length <= 100 && /^[A-Za-z0-9][A-Za-z0-9._+~-]*(?:\/[A-Za-z0-9][A-Za-z0-9._+~-]*)*$/.test(name);
}

/** Whether a value is one of apt's words for true. */
export function isYes(text: string | undefined): boolean {
  return /^(?:yes|true|with|on|enable|1)$/i.test((text ?? "").trim());
}

/** Whether a value is one of apt's words for false. What is neither leaves the default. */
export function isNo(text: string | undefined): boolean {
  return /^(?:no|false|without|off|disable|0)$/i.test((text ?? "").trim());
}

function readMaybe(path: string): string | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES) throw new Failure("LIMIT", `${printable(path)}: a sources file larger than ${FILE_BYTES} bytes`);
    return bytes.toString("utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw storageFailure(error, "could not read", path);
  }
}
