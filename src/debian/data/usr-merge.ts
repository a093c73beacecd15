import type { Site } from "./site.ts";

/** Directories of old that are links into /usr since Debian 12 (base-files 12.1; debootstrap and usrmerge before that). */
const MERGED = ["bin", "lib", "sbin"] as const;
/** Those that a processor needs for its loader's fixed path. */
const LOADER_DIRS: Readonly<Record<string, readonly string[]>> = {
  amd64: ["lib64"],
  ppc64el: ["lib64"],
  loong64: ["lib64"],
};

/**
 * Makes `/bin`, `/lib`, `/sbin` (and `/lib64` where the processor's loader is there) links into `/usr`, before any package is added, so
 * that files
 * that packages ship below the old names land in `/usr`.
 */
export function mergeUsr(site: Site, architecture: string): void {
  for (const name of [...MERGED, ...(LOADER_DIRS[architecture] ?? [])]) {
    site.dir(`/usr/${name}`, "");
    site.link(`/${name}`, `usr/${name}`, "");
  }
}
