import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readAptConf } from "../debian/apt-conf.ts";
import type { ArchiveOptions } from "../debian/face.ts";
import { chooseSites } from "../debian/site.ts";
import { Failure } from "../kit/error.ts";

/** Where packages come from when nothing else says it: the stable Debian of the time at which this nought was made. */
export const DEFAULT_SUITE = "trixie";

/**
 * The suite where nothing names one: Debian's stable. On a machine whose sources have packages of the same make and no Debian (Ubuntu),
 * that machine's own, which is told to `note`. Where neither is known, Debian's, so that the message about it names that.
 */
export function defaultSuite(options: Omit<ArchiveOptions, "suite" | "cacheDir">, note: (text: string) => void): string {
  const root = options.root ?? "/";
  if (isKnown(DEFAULT_SUITE, options, root)) return DEFAULT_SUITE;
  const [, own] = /^VERSION_CODENAME="?([a-z]{2,30})"?$/m.exec(osRelease(root)) ?? [];
  if (own === undefined || !isKnown(own, options, root)) return DEFAULT_SUITE;
  note(
    `this machine's sources know no Debian: packages are those of its own ${own}; --mirror URL or debian.sources name one (docs/bases.md)`,
  );
  return own;
}

/** What the machine says of itself; mostly a link. os-release(5). */
function osRelease(root: string): string {
  try {
    return readFileSync(join(root, "etc/os-release"), "utf8");
  } catch {
    return "";
  }
}

function isKnown(suite: string, options: Omit<ArchiveOptions, "suite" | "cacheDir">, root: string): boolean {
  try {
    return chooseSites({ ...options, suite, cacheDir: "" }, readAptConf(root), () => {}).length > 0;
  } catch (error) {
    if (error instanceof Failure && error.code === "USAGE") return false;
    throw error;
  }
}
