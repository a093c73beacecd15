import type { Architecture, PackageRecord } from "./face.ts";
import type { PackageIndex } from "./package-index.ts";
import { parseRelations } from "./relation.ts";
import { compareVersions } from "./version.ts";

/** What a package provides: a name, and a version where it says one. */
export interface Provided {
  readonly name: string;
  readonly version?: string;
}

/** The packages of several indexes seen as one, as apt sees them with equal pins: the highest version of a name is the one that counts. */
export interface Pool {
  /**
   * All versions for a processor (packages for `all` too), the one that counts first: the highest of the automatic suites, of equal ones
   * that of the index given first; those of other suites come after them.
   */
  versions(name: string, architecture: Architecture): readonly PackageRecord[];
  /** Packages that provide a name in the version that counts, in the order of the lists. */
  providers(name: string, architecture: Architecture): readonly PackageRecord[];
  /** Versions that count of the packages that are essential or of priority required, important or standard. */
  marked(architecture: Architecture): readonly PackageRecord[];
  /** The names a package provides besides its own. */
  provides(record: PackageRecord): readonly Provided[];
}

/** An index of a pool. */
export interface PoolPart {
  readonly architecture: Architecture;
  readonly index: PackageIndex;
  /** Its packages count only where no other index has the name, or where they are asked for by version or suite. */
  readonly notAutomatic?: boolean;
}

/** A pool over indexes, in the order of preference. */
export function createPool(indexes: readonly PoolPart[]): Pool {
  const versions = new Map<string, readonly PackageRecord[]>();
  const providers = new Map<string, readonly PackageRecord[]>();
  const provided = new WeakMap<PackageRecord, readonly Provided[]>();
  const of = (architecture: Architecture) => indexes.filter((one) => one.architecture === architecture).map((one) => one.index);
  const pool: Pool = {
    versions: (name, architecture) =>
      remember(versions, `${name}:${architecture}`, () =>
        // The sort is stable: equal versions stay in the order of the indexes.
        [false, true].flatMap((late) =>
          indexes
            .filter((one) => one.architecture === architecture && (one.notAutomatic ?? false) === late)
            .flatMap(({ index }) => index.named(name))
            .sort((a, b) => compareVersions(b.version, a.version)),
        ),
      ),
    providers: (name, architecture) =>
      remember(providers, `${name}:${architecture}`, () => {
        const names = new Set(of(architecture).flatMap((index) => index.providing(name).map((record) => record.name)));
        return [...names]
          .map((one) => pool.versions(one, architecture)[0] as PackageRecord)
          .filter((record) => pool.provides(record).some((one) => one.name === name));
      }),
    marked(architecture) {
      const names = new Set(of(architecture).flatMap((index) => index.marked().map((record) => record.name)));
      return [...names].sort().map((name) => pool.versions(name, architecture)[0] as PackageRecord);
    },
    provides: (record) => {
      let list = provided.get(record);
      if (list === undefined) {
        list = parseRelations(record.provides, `Provides of ${record.name}`).flatMap((group) =>
          group.map(({ name, version }) => ({ name, ...(version === undefined ? {} : { version }) })),
        );
        provided.set(record, list);
      }
      return list;
    },
  };
  return pool;
}

function remember<T>(memory: Map<string, T>, key: string, make: () => T): T {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make();
  memory.set(key, made);
  return made;
}
