import type { PackageRecord } from "./face.ts";
import type { Pool } from "./pool.ts";
import type { Wanted } from "./relation.ts";
import { satisfies } from "./version.ts";

/** Who asks: the processor of the package whose dependency it is, and the one of the image. */
export interface Asking {
  /** Of the depending package; packages for `all` ask as those of the image. */
  readonly from: string;
  readonly native: string;
  /** Processors whose packages may come in, the image's first. */
  readonly architectures: readonly string[];
}

/**
 * The packages that satisfy one wanted package, the best first: the package of that name itself, then what provides it. Packages of another
 * processor than the asker's count only where they are Multi-Arch: foreign, are asked for as `:any` (allowed), or by their processor's name
 * (deb-control(5), Multi-Arch; dpkg's rules).
 */
export function candidatesFor(wanted: Wanted, asking: Asking, pool: Pool): PackageRecord[] {
  const own: PackageRecord[] = [];
  const provided: PackageRecord[] = [];
  for (const architecture of asking.architectures) {
    const [best] = pool.versions(wanted.name, architecture);
    if (best !== undefined && fitsArchitecture(best, architecture, wanted, asking) && fitsVersion(best.version, wanted)) own.push(best);
    for (const provider of pool.providers(wanted.name, architecture)) {
      if (fitsArchitecture(provider, architecture, wanted, asking) && providesIt(provider, wanted, pool)) provided.push(provider);
    }
  }
  provided.reverse().sort((a, b) => weight(a) - weight(b));
  return [...new Set([...own, ...provided])];
}

/** Whether a package is what a relation speaks of (dependencies and conflicts alike), by its own name or by what it provides. */
export function matches(record: PackageRecord, wanted: Wanted, pool: Pool): boolean {
  if (record.name === wanted.name && fitsVersion(record.version, wanted)) return true;
  return providesIt(record, wanted, pool);
}

/** Whether a chosen package satisfies a dependency, architecture included. */
export function satisfiesDependency(record: PackageRecord, architecture: string, wanted: Wanted, asking: Asking, pool: Pool): boolean {
  return fitsArchitecture(record, architecture, wanted, asking) && matches(record, wanted, pool);
}

/** An unversioned Provides satisfies only unversioned relations (Debian Policy 7.5). */
function providesIt(record: PackageRecord, wanted: Wanted, pool: Pool): boolean {
  return pool
    .provides(record)
    .some(
      ({ name, version }) =>
        name === wanted.name && (wanted.relation === undefined || (version !== undefined && fitsVersion(version, wanted))),
    );
}

function fitsVersion(version: string, { relation, version: bound }: Wanted): boolean {
  return relation === undefined || bound === undefined || satisfies(version, relation, bound);
}

function fitsArchitecture(record: PackageRecord, architecture: string, wanted: Wanted, asking: Asking): boolean {
  const { qualifier } = wanted;
  // A package for all processors counts as one of the image's.
  const own = record.architecture === "all" ? asking.native : architecture;
  if (record.architecture === "all" && architecture !== asking.native) return false;
  if (qualifier === "any") return record.multiArch === "allowed";
  if (qualifier === "native") return own === asking.native;
  if (qualifier !== undefined) return own === qualifier;
  return own === asking.from || record.multiArch === "foreign";
}

const PRIORITIES = ["required", "important", "standard", "optional", "extra"];

/** Among providers: essential ones, then by priority. apt takes the one its lists have last. */
function weight(record: PackageRecord): number {
  const priority = PRIORITIES.indexOf(record.priority);
  return (record.essential ? 0 : 10) + (priority < 0 ? PRIORITIES.length : priority);
}
