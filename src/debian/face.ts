import type { Task } from "../task/task.ts";

/** Debian's name of a processor: `amd64`, `arm64`, `armhf`, `ppc64el`, `s390x`, `riscv64`; `all` for packages that run on every one. */
export type Architecture = string;

/** What a package says about packages of other architectures (deb-control(5), Multi-Arch). */
export type MultiArch = "no" | "same" | "foreign" | "allowed";

/** The fields of a package that name other packages, in the words of deb-control(5), as in the index: `libc6 (>= 2.36), adduser | x`. */
export interface Relations {
  readonly preDepends: string;
  readonly depends: string;
  readonly recommends: string;
  readonly conflicts: string;
  readonly breaks: string;
  readonly replaces: string;
  readonly provides: string;
}

/** What pins the bytes of one .deb: all that a lock file says about a package. No mirror: it is joined when the package is fetched. */
export interface LockEntry {
  readonly name: string;
  readonly version: string;
  /** Of the file: `all` or a processor. */
  readonly architecture: Architecture;
  /** Suite it was found in, as it is asked for: `bookworm`, `bookworm-security`. */
  readonly suite: string;
  /** Path below the archive's root: `pool/main/z/zlib/zlib1g_1.2.13_amd64.deb`. Relative, no `..`, no query, checked when it was read. */
  readonly path: string;
  /** Bytes of the .deb. */
  readonly size: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

/** One version of one package in an index. All text is from outside: signed, but not to be printed without `printable`. */
export interface PackageRecord extends LockEntry, Relations {
  readonly multiArch: MultiArch;
  readonly essential: boolean;
  /** `required`, `important`, `standard`, `optional`, `extra`, or whatever the index says; empty where it says nothing. */
  readonly priority: string;
  /** The source package and its version (equal to the package's own where the index leaves them out). */
  readonly source: string;
  readonly sourceVersion: string;
  /** Bytes when installed, as the package says. */
  readonly installedSize: number;
}

/** One signed suite as it was found: what a lock file says of it, so that a person sees how old it is. */
export interface Suite {
  /** As asked for: the folder below `dists/`. */
  readonly name: string;
  readonly codename: string;
  readonly origin: string;
  /** Seconds since the epoch: when it was made (Date) and until when it counts (Valid-Until). */
  readonly date: number;
  readonly validUntil?: number;
  /** Of the signed text: 64 hex digits. Two builds with the same sums saw the same packages. */
  readonly sha256: string;
  /** Taken from the cache because the mirror was not asked or did not answer. */
  readonly offline: boolean;
}

/** What is wanted of a resolution. */
export interface ResolveRequest {
  /** `name`, `name=version`, `name/suite`, each also with `:arch` after the name. */
  readonly packages: readonly string[];
  readonly architecture: Architecture;
  /** Also what the packages recommend. Default false. */
  readonly recommends?: boolean;
  /** Also every package that is marked Essential (dpkg can then run). Default false. */
  readonly essential?: boolean;
  /** Also every package of these priorities: `["required"]` for mmdebstrap's minbase. */
  readonly priorities?: readonly string[];
  /** Packages that are counted as there without being taken. `name` or `name=version`. */
  readonly provided?: readonly string[];
  /** Packages that must not be taken. */
  readonly without?: readonly string[];
}

/** What a resolution came to. */
export interface Resolution {
  readonly architecture: Architecture;
  /** Dependencies before what needs them (loops broken by name), so that it is an order to unpack and configure in. */
  readonly packages: readonly PackageRecord[];
  /** For each package, by `name:architecture`, the first one that made it come in; asked-for packages have none. */
  readonly reasons: ReadonlyMap<string, string>;
  readonly suites: readonly Suite[];
}

/** A .deb that is on the disk and whose size and sha256 are right. */
export interface DebFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/**
 * The signed suites of one choice of Debian (`bookworm` with its updates and security), opened by `openArchive` (archive.ts).
 * Nothing is fetched before it is needed. Disposing closes the indexes it has open.
 */
export interface Archive extends Disposable {
  /**
   * Names, versions and relations of the suites' packages; fetched, verified and parsed at first use for an architecture. In the
   * order of `names`, of each the version that counts first.
   */
  packages(architecture: Architecture, names: readonly string[], task: Task): Promise<readonly PackageRecord[]>;
  /**
   * The packages that are needed so that all of `request.packages` work, as `apt-get install` would choose them on an empty system.
   * Throws PACKAGE (missing, conflicting: with the chain that leads there), SIGNATURE, DIGEST, NETWORK, USAGE (no mirror is known).
   */
  resolve(request: ResolveRequest, task: Task): Promise<Resolution>;
  /**
   * Fetches a .deb, verified while its bytes come in, or finds it in the cache (verified again). Several may run at a time.
   * Works from a LockEntry alone: then no index is read. Throws DIGEST, NETWORK, USAGE (no mirror is known for the suite, and one is
   * needed), STORAGE.
   */
  fetchDeb(what: LockEntry, task: Task): Promise<DebFile>;
  /** Several .debs in parallel, in the order given. */
  fetchDebs(what: readonly LockEntry[], task: Task): AsyncIterable<DebFile>;
}

/** How to open an archive. Everything has a default that is what `nought` does on the command line. */
export interface ArchiveOptions {
  /** A codename or suite: `bookworm`, `trixie`, `sid`, `stable`. */
  readonly suite: string;
  /** Where indexes and .debs are kept: a folder of ours alone, made where it is missing. `join(store.dir, "debian")`. */
  readonly cacheDir: string;
  /** URLs of archive roots (`http:`, `https:`, `file:`, `copy:`), before the machine's own sources. `SUITE=URL` for one suite alone. */
  readonly mirrors?: readonly string[];
  /**
   * The archive as it was at a time: `2025-05-20` or `20250520T083000Z`. Only for mirrors whose URL has such a time in it, as those of
   * snapshot services have; theirs is replaced.
   */
  readonly snapshot?: string;
  /** Components; those of the machine's sources for the suite, else `main`. */
  readonly components?: readonly string[];
  /** Extra suites after the suite itself; default: updates and security where the sources have them. Whole names. */
  readonly extraSuites?: readonly string[];
  /** Keyrings (binary or armored) instead of those of the sources and the machine. Paths. */
  readonly keyrings?: readonly string[];
  /** Take what the cache has and ask no server. */
  readonly offline?: boolean;
  /** Accept a Release file beyond its Valid-Until (snapshots, frozen mirrors); warned about. */
  readonly allowExpired?: boolean;
  /** Seconds: a suite that was asked for less long ago is not asked for again. Default an hour; 0 asks always. */
  readonly maxAge?: number;
  /** Folder that stands for `/` when the machine's apt configuration is read. Tests. */
  readonly root?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds since the epoch. Tests. */
  readonly now?: () => number;
}
