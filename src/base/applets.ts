import type { Site } from "../debian/data/site.ts";
import { Failure } from "../kit/error.ts";
import { join, type Path } from "../tree/path.ts";

/** How the list of commands begins in a busybox: sorted by name, and these two come first. */
const BEGIN = Buffer.from("[\0[[\0", "latin1");

/**
 * The commands of a busybox, read from the list that the program itself searches (its names one after the other, sorted). It is not
 * run: it may be for another processor. Throws PACKAGE where there is no such list.
 */
export function appletsOf(program: Buffer): string[] {
  for (let at = program.indexOf(BEGIN); at >= 0; at = program.indexOf(BEGIN, at + 1)) {
    const names: string[] = [];
    for (let from = at; from < program.length; ) {
      const end = program.indexOf(0, from);
      const name = program.toString("latin1", from, end);
      if (end < 0 || !/^[a-z0-9[][a-z0-9_.[-]*$/i.test(name) || (names.at(-1) ?? "") >= name) break;
      names.push(name);
      from = end + 1;
    }
    if (names.length > 20) return names;
  }
  throw new Failure("PACKAGE", "the busybox has no list of commands that nought finds");
}

/** Links for every command of a busybox in a folder. */
export async function linkApplets(site: Site, busybox: string, folder: string): Promise<void> {
  const program = site.lookup(busybox);
  if (program?.kind !== "file") throw new Failure("PACKAGE", `there is no ${busybox} in the packages`);
  const dir = site.dir(folder, "");
  const target = folder === busybox.slice(0, busybox.lastIndexOf("/")) ? busybox.slice(folder.length + 1) : busybox;
  for (const name of appletsOf(await site.read(program))) {
    const path = join(dir, name) as Path;
    if (path !== busybox && !site.get(path)) site.link(path, target, "");
  }
}
