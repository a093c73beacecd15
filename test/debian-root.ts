/** A Debian root file system made by mmdebstrap from the machine's own apt sources, as a tar archive for `nought import`. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** Makes `dir/SUITE.tar`; a text with a space says why it cannot be made. */
export function debianRoot(suite: string, dir: string): { readonly tar: string } | { readonly why: string } {
  if (process.getuid?.() !== 0) return { why: "mmdebstrap is run as root here" };
  const tar = join(dir, `${suite}.tar`);
  const made = spawnSync("mmdebstrap", ["--quiet", "--variant=minbase", suite, tar], { encoding: "utf8", timeout: 180_000 });
  if (made.error) return { why: "mmdebstrap is not installed (Debian: mmdebstrap)" };
  return made.status === 0 ? { tar } : { why: `mmdebstrap could not make ${suite}: ${made.stderr.trim().split("\n").at(-1)}` };
}
