import { addAccounts, systemAccounts } from "../debian/data/accounts.ts";
import { installAlternatives } from "../debian/data/alternatives.ts";
import { baseFiles, nameServices, networkNames, shells, timeZone } from "../debian/data/base-system.ts";
import { trustCertificates, trustForJava } from "../debian/data/certificates.ts";
import { cacheLibraries } from "../debian/data/ld-cache.ts";
import { authentication } from "../debian/data/pam.ts";
import { dpkgDatabase, recordPackages } from "../debian/data/records.ts";
import { uncovered } from "../debian/data/scripts.ts";
import type { Site } from "../debian/data/site.ts";
import { systemUsers } from "../debian/data/sysusers.ts";
import { mergeUsr } from "../debian/data/usr-merge.ts";
import type { Deb } from "../debian/deb.ts";
import { createMatcher } from "../kit/pattern.ts";
import { printable } from "../kit/printable.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { type Path, parentOf, ROOT } from "../tree/path.ts";
import { linkApplets } from "./applets.ts";
import type { Recipe, Stage } from "./recipe.ts";
import { sliceTo } from "./slice.ts";

/** What a stage came to, before it is sealed. */
export interface Composed {
  readonly draft: Draft;
  /** Packages whose scripts would have done something that is not done here, and what. */
  readonly warnings: readonly string[];
}

/** Before the first stage: the links of the merged /usr. */
export function prepare(site: Site, recipe: Recipe, architecture: string): void {
  if (recipe.mergedUsr !== false) mergeUsr(site, architecture);
}

/**
 * Puts one stage of a recipe on a site: its packages as dpkg would unpack them, what their scripts would have done, and what the recipe
 * adds. What comes back is what is new or different, without what the stage leaves out. The site goes on having everything, so that
 * later stages see it. Throws PACKAGE.
 */
export async function compose(site: Site, stage: Stage, debs: readonly Deb[], architecture: string): Promise<Composed> {
  for (const deb of debs) site.add(deb);
  const warnings = debs.flatMap((deb) => {
    const why = uncovered(deb);
    return why === undefined ? [] : [`${printable(deb.name)}: ${printable(why)}`];
  });
  baseFiles(site);
  await systemAccounts(site);
  await systemUsers(site);
  nameServices(site);
  networkNames(site);
  await timeZone(site);
  await shells(site);
  await authentication(site);
  await trustCertificates(site);
  await trustForJava(site);
  installAlternatives(site);
  if ((stage.users?.length ?? 0) + (stage.groups?.length ?? 0) > 0) await addAccounts(site, stage.users ?? [], stage.groups ?? []);
  recordPackages(site);
  addFiles(site, stage);
  if (stage.applets) await linkApplets(site, stage.applets.busybox, stage.applets.folder);
  if (!createMatcher(stage.exclude ?? []).matches("etc/ld.so.cache")) await cacheLibraries(site, architecture);
  await dpkgDatabase(site, architecture);
  const slice = stage.needs && (await sliceTo(site, stage.needs, architecture));
  const whole = site.draft((placed) => placed.stage === site.stage);
  const kept = without(slice ? whole.filter(({ path }) => path === ROOT || slice.has(path)) : whole, site, stage);
  site.stage++;
  return { draft: kept, warnings };
}

function addFiles(site: Site, stage: Stage): void {
  for (const file of stage.files ?? []) {
    const facts = {
      ...(file.mode === undefined ? {} : { mode: file.mode }),
      ...(file.uid === undefined ? {} : { uid: file.uid }),
      ...(file.gid === undefined ? {} : { gid: file.gid }),
    };
    if (file.link !== undefined) site.link(file.path, file.link, "");
    else if (file.directory) site.dir(file.path, "", facts);
    else site.file(file.path, file.bytes ?? "", "", facts);
  }
}

/**
 * A draft without what the stage leaves out: files and links by their paths, directories where nothing is left in them that was there
 * before. What the recipe itself adds stays.
 */
function without(draft: Draft, site: Site, stage: Stage): Draft {
  if ((stage.exclude?.length ?? 0) === 0) return draft;
  const matcher = createMatcher(stage.exclude ?? []);
  const own = new Set((stage.files ?? []).map(({ path }) => path));
  const kept = new Map<Path, Entry>();
  const parents = new Set<Path>();
  const folders: Entry[] = [];
  for (const entry of draft) {
    const stays = own.has(entry.path) || !matcher.matches(entry.path.slice(1));
    if (entry.kind === "dir" && entry.path !== ROOT) {
      folders.push(entry);
      if (!stays) continue;
    }
    if (!stays) continue;
    kept.set(entry.path, entry);
    for (let dir = parentOf(entry.path); dir !== ROOT && !parents.has(dir); dir = parentOf(dir)) parents.add(dir);
  }
  // A link whose file was cut takes its place.
  for (const [path, entry] of kept) {
    if (entry.kind !== "hardlink" || kept.has(entry.target)) continue;
    const file = site.get(entry.target);
    if (file?.kind === "file") kept.set(path, { ...file, path });
    else kept.delete(path);
  }
  const empty = new Set<Path>();
  for (const dir of folders.reverse()) {
    // Folders that had something which was cut, and have nothing else, go with it.
    if (!parents.has(dir.path) && !own.has(dir.path) && site.names(dir.path).length > 0) empty.add(dir.path);
  }
  return draft.flatMap((entry) => {
    const now = kept.get(entry.path);
    if (entry.kind === "dir" && entry.path !== ROOT) return (now && !empty.has(entry.path)) || parents.has(entry.path) ? [entry] : [];
    return now ? [now] : [];
  });
}
