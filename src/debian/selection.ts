import { type Asking, matches, satisfiesDependency } from "./candidates.ts";
import type { PackageRecord } from "./face.ts";
import type { Pool } from "./pool.ts";
import { type Alternatives, formatWanted, parseRelations, type Wanted } from "./relation.ts";

/** A group of alternatives of which one must be there, and who says so. */
export interface Need {
  readonly group: Alternatives;
  /** Key of the package that needs it; undefined for what was asked for. */
  readonly by: string | undefined;
  readonly from: string;
  /** Recommended only: left out where it cannot be had. */
  readonly soft: boolean;
}

/** A chosen package. */
export interface Chosen {
  readonly record: PackageRecord;
  /** The image's processor for packages for `all`. */
  readonly architecture: string;
  readonly by: string | undefined;
  /** Counted as there, not taken. */
  readonly given: boolean;
}

/** `name:architecture`, the key of a chosen package. */
export function keyOf(record: PackageRecord): string {
  return `${record.name}:${record.architecture}`;
}

/** Packages chosen so far: grows by one package at a time and can be copied before a choice that may turn out wrong. */
export class Selection {
  readonly chosen = new Map<string, Chosen>();
  /** What is to be looked at, the next first. */
  needs: Need[] = [];
  /** By package name: the chosen ones with it, and those that provide it. */
  private readonly byName = new Map<string, Chosen[]>();
  /** By wanted name: relations that forbid packages, with their owners. */
  private readonly against = new Map<string, { readonly wanted: Wanted; readonly owner: Chosen }[]>();
  private readonly pool: Pool;
  private readonly native: string;
  private readonly recommends: boolean;

  constructor(pool: Pool, native: string, recommends: boolean) {
    this.pool = pool;
    this.native = native;
    this.recommends = recommends;
  }

  copy(): Selection {
    const other = new Selection(this.pool, this.native, this.recommends);
    for (const [key, chosen] of this.chosen) other.chosen.set(key, chosen);
    for (const [key, list] of this.byName) other.byName.set(key, [...list]);
    for (const [key, list] of this.against) other.against.set(key, [...list]);
    other.needs = [...this.needs];
    return other;
  }

  /** The chosen package that satisfies one of the alternatives. */
  satisfied(group: Alternatives, asking: Asking): Chosen | undefined {
    for (const wanted of group) {
      const found = this.byName
        .get(wanted.name)
        ?.find((one) => satisfiesDependency(one.record, one.architecture, wanted, asking, this.pool));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Why a package cannot be added, in words that follow its name; undefined where it can. */
  obstacle(record: PackageRecord): string | undefined {
    for (const other of this.byName.get(record.name) ?? []) {
      if (other.record.name !== record.name || keyOf(other.record) === keyOf(record)) continue;
      if (other.record.multiArch !== "same" || record.multiArch !== "same" || other.record.version !== record.version)
        return `cannot be beside ${label(other.record)}`;
    }
    const names = [record.name, ...this.pool.provides(record).map((one) => one.name)];
    for (const name of names) {
      for (const { wanted, owner } of this.against.get(name) ?? []) {
        if (owner.record.name !== record.name && forbids(wanted, record, this.pool))
          return `is refused by ${label(owner.record)}, which conflicts with ${formatWanted(wanted)}`;
      }
    }
    for (const wanted of negative(record)) {
      for (const other of this.byName.get(wanted.name) ?? []) {
        if (other.record.name !== record.name && forbids(wanted, other.record, this.pool))
          return `conflicts with ${formatWanted(wanted)}, which is ${label(other.record)}`;
      }
    }
    return undefined;
  }

  /** Adds a package that has no obstacle, and what it needs. */
  add(record: PackageRecord, architecture: string, by: string | undefined, given = false): void {
    const key = keyOf(record);
    if (this.chosen.has(key)) return;
    const one: Chosen = { record, architecture, by, given };
    this.chosen.set(key, one);
    for (const name of new Set([record.name, ...this.pool.provides(record).map((provided) => provided.name)])) put(this.byName, name, one);
    for (const wanted of negative(record)) put(this.against, wanted.name, { wanted, owner: one });
    if (given) return;
    const need = (group: Alternatives, soft: boolean): Need => ({ group, by: key, from: architecture, soft });
    const soft = this.recommends ? parseRelations(record.recommends, `Recommends of ${record.name}`) : [];
    // At the front: apt, too, follows one chain to its end before it looks at the next.
    this.needs.unshift(...hardNeeds(record).map((group) => need(group, false)), ...soft.map((group) => need(group, true)));
  }
}

const hard = new WeakMap<PackageRecord, readonly Alternatives[]>();
const against = new WeakMap<PackageRecord, readonly Wanted[]>();

/** Pre-Depends and Depends, in that order. */
export function hardNeeds(record: PackageRecord): readonly Alternatives[] {
  let list = hard.get(record);
  if (list === undefined) {
    list = [
      ...parseRelations(record.preDepends, `Pre-Depends of ${record.name}`),
      ...parseRelations(record.depends, `Depends of ${record.name}`),
    ];
    hard.set(record, list);
  }
  return list;
}

/** Conflicts and Breaks: on an empty system there is no difference. */
function negative(record: PackageRecord): readonly Wanted[] {
  let list = against.get(record);
  if (list === undefined) {
    list = [
      ...parseRelations(record.conflicts, `Conflicts of ${record.name}`),
      ...parseRelations(record.breaks, `Breaks of ${record.name}`),
    ].flat();
    against.set(record, list);
  }
  return list;
}

/** Whether Conflicts or Breaks with this relation speak of a package; `name:arch` only of that processor's. */
function forbids(wanted: Wanted, record: PackageRecord, pool: Pool): boolean {
  const { qualifier } = wanted;
  if (qualifier !== undefined && qualifier !== "any" && qualifier !== record.architecture) return false;
  return matches(record, wanted, pool);
}

/** `name (version)` for messages: both were checked for their form when they were read. */
export function label(record: PackageRecord): string {
  return `${record.name} (${record.version})`;
}

function put<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
