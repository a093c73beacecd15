import type { Site } from "../debian/data/site.ts";
import { compareByPath } from "../tree/order.ts";
import { type Path, parentOf, ROOT } from "../tree/path.ts";
import { reachedFrom } from "./reach.ts";

/** Records and licences stay whatever is cut, so that scanners and lawyers see every package. */
const ALWAYS = /^\/(?:var\/lib\/dpkg\/status\.d\/|usr\/share\/doc\/[^/]+(?:\/copyright)?$)/;

/**
 * The paths of a stage that its programs can reach, with what nought itself made for it, records and licences, and every parent. The
 * records of packages that lost files say so: their lists of sums have only what stays, and a field `X-Nought-Kept` tells how much
 * that is.
 */
export async function sliceTo(site: Site, programs: readonly string[], architecture: string): Promise<ReadonlySet<Path>> {
  const reached = await reachedFrom(site, programs, architecture);
  const kept = new Set<Path>();
  for (const { entry, from, stage } of site.all()) {
    if (stage !== site.stage || entry.kind === "dir") continue;
    const owner = site.debs.find(({ name }) => name === from);
    const made = owner === undefined || !owner.draft.some(({ path }) => site.resolve(path, true) === entry.path);
    if (made || reached.has(entry.path) || ALWAYS.test(entry.path)) kept.add(entry.path);
  }
  for (const deb of site.debs) {
    if (!site.isNew(deb.name)) continue;
    const files = deb.draft.filter(({ kind }) => kind !== "dir").map(({ path }) => site.resolve(path, true));
    const stay = new Set(files.filter((path) => kept.has(path)));
    const record = `/var/lib/dpkg/status.d/${deb.name}`;
    const status = await site.text(record);
    if (status !== undefined) site.file(record, `${status.trimEnd()}\nX-Nought-Kept: ${stay.size} of ${files.length} files\n`, deb.name);
    const sums = await site.text(`${record}.md5sums`);
    if (sums === undefined) continue;
    const left = sums.split("\n").filter((line) => stay.has(site.resolve(`/${line.slice(34)}`, true)));
    site.file(`${record}.md5sums`, left.map((line) => `${line}\n`).join(""), deb.name);
  }
  for (const path of [...kept].sort(compareByPath)) for (let dir = parentOf(path); dir !== ROOT; dir = parentOf(dir)) kept.add(dir);
  return kept;
}
