import { Failure } from "../kit/error.ts";
import { redactUrl } from "./redact.ts";

/** A git repository and the part of it that is wanted. */
export interface GitSource {
  /** What git is given: a URL or `user@host:path`, without fragment and without our query keys. May hold userinfo. */
  readonly remote: string;
  readonly scheme: "https" | "http" | "ssh" | "git" | "file";
  /** Last part of the path without `.git`. */
  readonly name: string;
  /** Branch, tag, full ref or commit; the remote's default branch where absent. */
  readonly ref?: string;
  /** Normalised, relative, without `..`; absent for the whole repository. */
  readonly subdir?: string;
  /** The commit must start with this. Lower-case hex. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
}

const SCHEMES = ["https", "http", "ssh", "git"] as const;
const SCP = /^([A-Za-z0-9_-]+)@([A-Za-z0-9.-]+):([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const SCHEME = /^([A-Za-z0-9]+):\/\//;

/**
 * Reads the forms of a git address that docker knows; undefined for whatever is none (a path, a plain http file).
 * `as: "context"` also takes `github.com/…` and `file://` (the person at the command line may read their own files).
 * Throws USAGE for a git address with a bad query, ref, sub-directory or checksum. BuildKit: dfgitutil, gitutil.
 * @example parseGitUrl("https://h/app.git#v1:sub", "add") → { remote: "https://h/app.git", ref: "v1", subdir: "sub", … }
 */
export function parseGitUrl(text: string, as: "context" | "add"): GitSource | undefined {
  const bad = (why: string) => new Failure("USAGE", `git address ${redactUrl(text)}: ${why}`);
  const scp = SCP.exec(text);
  if (scp && !SCHEME.test(text)) {
    const [, user, host, path = "", query, fragment] = scp as unknown as [string, string, string, string?, string?, string?];
    if (host.startsWith("-")) throw bad("the host starts with a dash");
    return build({ remote: `${user}@${host}:${path}`, scheme: "ssh", path, query, fragment }, bad);
  }
  const short = as === "context" && text.startsWith("github.com/");
  const scheme = short ? "https" : SCHEME.exec(text)?.[1]?.toLowerCase();
  const known = SCHEMES.find((one) => one === scheme) ?? (scheme === "file" && as === "context" ? "file" : undefined);
  if (known === undefined) return undefined;
  let url: URL;
  try {
    url = new URL(short ? `https://${text}` : text);
  } catch {
    return undefined;
  }
  if ((known === "http" || known === "https") && !short && !url.pathname.endsWith(".git")) return undefined;
  if (url.hostname.startsWith("-")) throw bad("the host starts with a dash");
  const query = url.search.slice(1);
  const fragment = url.hash.slice(1);
  url.search = "";
  url.hash = "";
  return build({ remote: url.href, scheme: known, path: url.pathname, query, fragment: unescape(fragment) }, bad);
}

interface Parts {
  readonly remote: string;
  readonly scheme: GitSource["scheme"];
  readonly path: string;
  readonly query: string | undefined;
  readonly fragment: string | undefined;
}

function build({ remote, scheme, path, query, fragment = "" }: Parts, bad: (why: string) => Failure): GitSource {
  const colon = fragment.indexOf(":");
  const found = new Map<string, string>();
  const set = (key: string, value: string) => {
    if (value === "") return;
    const before = found.get(key);
    if (before !== undefined && before !== value) throw bad(`${key} conflicts: "${before}" vs "${value}"`);
    found.set(key, value);
  };
  set("ref", colon < 0 ? fragment : fragment.slice(0, colon));
  set("subdir", colon < 0 ? "" : fragment.slice(colon + 1));
  const asked = readQuery(query ?? "", bad);
  for (const [key, value] of asked) set(key === "commit" ? "checksum" : key, value);
  const tag = prefixed(found.get("tag"), "refs/tags/");
  const branch = prefixed(found.get("branch"), "refs/heads/");
  if (tag !== undefined && branch !== undefined) throw bad("branch conflicts with tag");
  set("ref", tag ?? branch ?? "");
  const checksum = found.get("checksum")?.toLowerCase();
  if (checksum !== undefined && !/^[0-9a-f]{7,64}$/.test(checksum)) throw bad("the checksum is not a commit (7 to 64 hex digits)");
  const ref = found.get("ref") ?? checksum;
  if (ref !== undefined) checkRef(ref, bad);
  const subdir = cleanSubdir(found.get("subdir") ?? "", bad);
  return {
    remote,
    scheme,
    name: (path.split("/").at(-1) ?? "").replace(/\.git$/, ""),
    ...(ref === undefined ? {} : { ref }),
    ...(subdir === "" ? {} : { subdir }),
    ...(checksum === undefined ? {} : { checksum }),
    ...flag("keepGitDir", found.get("keep-git-dir"), bad),
    ...flag("submodules", found.get("submodules"), bad),
  };
}

const KEYS = new Set(["ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules"]);

function readQuery(query: string, bad: (why: string) => Failure): Map<string, string> {
  const asked = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (!KEYS.has(key)) throw bad(`unexpected query "${key}"`);
    if (asked.has(key)) throw bad(`query "${key}" has multiple values`);
    if (value === "" && key !== "keep-git-dir" && key !== "submodules") throw bad(`query "${key}" has no value`);
    asked.set(key, value === "" ? "true" : value);
  }
  return asked;
}

/** A ref that git could take for an option, a range or a pattern is refused (git-check-ref-format). */
function checkRef(ref: string, bad: (why: string) => Failure): void {
  const odd =
    ref.startsWith("-") || ref.startsWith("/") || ref.endsWith("/") || ref.endsWith(".lock") || ref.includes("..") || ref.includes("@{");
  if (odd || ref.length > 1024 || /[\u0000-\u0020\u007f~^:?*[\\]/.test(ref))
    throw bad(`the ref "${ref.slice(0, 100)}" is not a valid ref name`);
}

/** `..` may not lead out: such a path is refused, not clipped, since it can only be a mistake or an attack. */
function cleanSubdir(subdir: string, bad: (why: string) => Failure): string {
  const parts: string[] = [];
  for (const part of subdir.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.pop() === undefined) throw bad("the sub-directory leads out of the repository");
    else if (part.toLowerCase() === ".git") throw bad("the sub-directory lies in .git");
    else if (part !== "..") parts.push(part);
  }
  if (subdir.includes("\0") || subdir.length > 4096) throw bad("the sub-directory is not a path");
  return parts.join("/");
}

function flag<K extends string>(key: K, value: string | undefined, bad: (why: string) => Failure): { readonly [P in K]?: boolean } {
  if (value === undefined) return {};
  if (/^(?:1|t|true)$/i.test(value)) return { [key]: true } as { [P in K]?: boolean };
  if (/^(?:0|f|false)$/i.test(value)) return { [key]: false } as { [P in K]?: boolean };
  throw bad(`invalid ${key === "keepGitDir" ? "keep-git-dir" : key} value: "${value}"`);
}

function prefixed(value: string | undefined, prefix: string): string | undefined {
  return value === undefined || value.startsWith(prefix) ? value : prefix + value;
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
