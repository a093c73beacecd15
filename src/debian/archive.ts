import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import { readAptConf } from "./apt-conf.ts";
import { readAuthConf } from "./auth-conf.ts";
import { openCache } from "./cache.ts";
import type { Architecture, Archive, ArchiveOptions, DebFile, LockEntry, PackageRecord, Resolution } from "./face.ts";
import { fetchDeb } from "./fetch-deb.ts";
import { type OpenIndex, openIndex } from "./fetch-index.ts";
import { createPool, type Pool, type PoolPart } from "./pool.ts";
import { solve } from "./resolve.ts";
import { chooseSites, type Site } from "./site.ts";
import { type OpenSuite, openSuite, type SuiteAccess } from "./suite.ts";
import { createTransport } from "./transport.ts";

/** .debs fetched at a time: more do not help against one mirror. */
const WIDTH = 4;
/** A suite that was asked for an hour ago is new enough. Seconds. */
const MAX_AGE = 3600;

/**
 * Opens the archive that holds a suite, with its updates and security where they are known (site.ts says how the mirror is chosen). Nothing
 * is fetched yet, nor looked for: where no mirror is known, that is told (USAGE) when one is needed.
 */
export function openArchive(options: ArchiveOptions, task: Task): Archive {
  const env = options.env ?? process.env;
  const conf = readAptConf(options.root ?? "/");
  const note = (text: string) => task.emit({ type: "note", text });
  const cache = openCache(options.cacheDir);
  const transport = createTransport({ conf, logins: readAuthConf(options.root ?? "/"), env });
  const access: SuiteAccess = {
    cache,
    transport,
    offline: options.offline ?? false,
    // Whoever asks for the past knows that it is over.
    allowExpired: options.allowExpired ?? options.snapshot !== undefined,
    maxAge: (options.maxAge ?? MAX_AGE) * 1000,
    now: options.now ?? Date.now,
  };
  let chosen: Site[] | undefined;
  // Whoever has all packages in the cache needs no mirror.
  const sites = () => (chosen ??= chooseSites(options, conf, note));
  const open: OpenIndex[] = [];
  let suites: Promise<OpenSuite[]> | undefined;
  const indexes = new Map<Architecture, Promise<OpenIndex[]>>();

  const openSuites = (task: Task, freshly = false) => {
    if (freshly) suites = undefined;
    suites ??= inParallel(sites(), (site) => openSuite(site, freshly ? { ...access, maxAge: 0 } : access, task)).then((list) =>
      list.filter((one) => one !== undefined),
    );
    return suites;
  };
  /** In the order of the suites; a mirror caught in the middle of an update is asked once more from the start. */
  const openIndexes = async (architecture: Architecture, task: Task): Promise<OpenIndex[]> => {
    const all = async (list: readonly OpenSuite[]) => {
      const wanted = list.filter((suite, n) => n === 0 || hasArchitecture(suite, architecture, task));
      return inParallel(
        wanted.flatMap((suite) =>
          suite.site.components.flatMap((component) => partsOf(suite, architecture).map((part) => ({ suite, component, part }))),
        ),
        async ({ suite, component, part }) => {
          const one = await openIndex(suite, component, part, access, task);
          open.push(one);
          return one;
        },
      );
    };
    const before = await openSuites(task);
    try {
      return await all(before);
    } catch (error) {
      if (!(error instanceof Failure) || (error.code !== "DIGEST" && error.code !== "NETWORK") || access.offline) throw error;
      const after = await openSuites(task, true);
      if (after.every((suite, n) => suite.suite.sha256 === before[n]?.suite.sha256)) throw error;
      return all(after);
    }
  };
  const poolFor = async (architectures: readonly Architecture[], task: Task): Promise<Pool> => {
    const parts: PoolPart[] = [];
    for (const architecture of architectures) {
      let found = indexes.get(architecture);
      if (found === undefined) indexes.set(architecture, (found = openIndexes(architecture, task)));
      parts.push(...(await found).map(({ index, notAutomatic }) => ({ architecture, index, notAutomatic })));
    }
    return createPool(parts);
  };
  const rootsOf = (suite: string): readonly string[] =>
    (sites().find((site) => site.suite === suite) ?? otherSite(options, suite, conf, note)).roots;

  const self: Archive = {
    async packages(architecture, names, task) {
      const pool = await poolFor([architecture], task);
      return names.flatMap((name) => pool.versions(name, architecture));
    },
    async resolve(request, task): Promise<Resolution> {
      const others = request.packages.flatMap((text) => /^[^=/]*:([a-z0-9-]+)(?:[=/]|$)/.exec(text)?.[1] ?? []);
      const foreign = others.filter((one) => one !== "native" && one !== "any" && one !== request.architecture);
      const architectures = [...new Set([request.architecture, ...foreign])];
      const pool = await poolFor(architectures, task);
      const { packages, reasons } = solve(request, pool, architectures);
      return { architecture: request.architecture, packages, reasons, suites: (await openSuites(task)).map((one) => one.suite) };
    },
    fetchDeb: (what, task) => fetchDeb(what, () => rootsOf(what.suite), access, task),
    async *fetchDebs(what, task) {
      yield* ordered(what, WIDTH, (entry) => self.fetchDeb(entry, task));
    },
    [Symbol.dispose]() {
      for (const one of open.splice(0)) one[Symbol.dispose]();
      transport[Symbol.dispose]();
    },
  };
  return self;
}

/** A lock may name a suite that is not among those opened. */
function otherSite(options: ArchiveOptions, suite: string, conf: ReturnType<typeof readAptConf>, note: (text: string) => void): Site {
  const [site] = chooseSites({ ...options, suite, extraSuites: [] }, conf, note);
  if (site === undefined) throw new Failure("USAGE", `no mirror is known for ${printable(suite)}`);
  return site;
}

/** Updates end for some processors before others; the signed file itself says so. */
function hasArchitecture({ release, site }: OpenSuite, architecture: string, task: Task): boolean {
  if (release.architectures.includes(architecture)) return true;
  task.emit({
    type: "note",
    text: `${printable(site.suite)} has no packages for ${printable(architecture)}: the image gets none of its updates`,
  });
  return false;
}

/** Packages for all processors have an index of their own in some archives. */
function partsOf({ release }: OpenSuite, architecture: string): string[] {
  return release.separateAll && release.architectures.includes(architecture) ? [architecture, "all"] : [architecture];
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const running = items.map(work);
  // All come to their end before the first failure is told: nothing goes on behind the caller's back.
  await Promise.allSettled(running);
  return Promise.all(running);
}

/** Works on some items at a time and gives the results in order. */
async function* ordered<T extends LockEntry>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<DebFile>,
): AsyncGenerator<DebFile> {
  const running: Promise<DebFile>[] = [];
  let next = 0;
  const start = () => {
    const item = items[next++];
    if (item === undefined) return;
    const one = work(item);
    one.catch(() => {});
    running.push(one);
  };
  try {
    while (next < Math.min(width, items.length)) start();
    for (let one = running.shift(); one !== undefined; one = running.shift()) {
      const done = await one;
      start();
      yield done;
    }
  } finally {
    await Promise.allSettled(running);
  }
}

/** What a lock file keeps of a package. */
export function lockEntryOf({ name, version, architecture, suite, path, size, sha256 }: PackageRecord): LockEntry {
  return { name, version, architecture, suite, path, size, sha256 };
}
