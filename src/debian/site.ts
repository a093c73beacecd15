import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { AptConf } from "./apt-conf.ts";
import type { ArchiveOptions } from "./face.ts";
import { type Keyring, keyringFrom, keyringOf, machineKeyring } from "./keyring.ts";
import { isArchiveRoot, isNo, isSuiteName, plainRoot, readAptSources, readSourcesFile, type Source } from "./sources.ts";

/** Where one suite can be had, and what is asked of it. */
export interface Site {
  readonly suite: string;
  /** Archive roots, tried in order. */
  readonly roots: readonly string[];
  readonly components: readonly string[];
  readonly trusted: boolean;
  readonly byHash: string | undefined;
  readonly checkValidUntil: boolean;
  readonly checkDate: boolean;
  /** Passed over, with a note, where a server does not have it: updates beside a mirror that somebody named by hand. */
  readonly optional: boolean;
  keyring(): Keyring;
}

/** Debian's names. Sources of other makers have suites of their own (`nodistro`); theirs are never taken for Debian's. */
const DEBIAN = new Set(
  "buster bullseye bookworm trixie forky duke sid stable oldstable oldoldstable testing unstable experimental".split(" "),
);
const ROLLING = new Set(["sid", "unstable", "experimental", "rc-buggy"]);

/**
 * Chooses where the suites of `options.suite` come from: `options.mirrors`, else the machine's apt sources (also for a suite that they do
 * not
 * name: its sister `trixie-security` is where `bookworm-security` is), else `debian.sources` in nought's configuration folder. Updates and
 * security
 * come with a suite where their place is known. Throws USAGE where no place is known.
 */
export function chooseSites(options: ArchiveOptions, conf: AptConf, note: (text: string) => void): Site[] {
  const { suite } = options;
  if (!isSuiteName(suite))
    throw new Failure("USAGE", `"${printable(suite)}" is not the name of a suite`, { hint: "Debian's are bookworm, trixie, sid." });
  const root = options.root ?? "/";
  const given = givenMirrors(options.mirrors ?? []);
  // Mirrors with keys of their own are an archive of its own: Debian's would not be signed by them.
  const alone = given.size > 0 && (options.keyrings ?? []).length > 0;
  const machine = alone ? [] : readAptSources(root, note).filter(isDebianLike);
  const own = alone ? [] : ownConfiguration(options, note).filter(isDebianLike);
  const find = (name: string, optional = false): Site | undefined => {
    const named = given.get(name) ?? (given.get("") && !isSecurity(name) ? given.get("") : undefined);
    if (named !== undefined) return siteOf(name, [mirrorSource(named)], options, conf, optional);
    const exact = [machine, own].map((sources) => sources.filter((source) => source.suites.includes(name))).find(nonEmpty);
    const sister =
      exact ??
      [machine, own].map((sources) => sources.filter((source) => source.suites.some((other) => isSister(other, name)))).find(nonEmpty);
    return sister === undefined ? undefined : siteOf(name, sister, options, conf, optional);
  };
  const first = find(suite);
  if (first === undefined) throw noMirror(suite);
  const byHand = given.has(suite) || given.has("");
  const extras = options.extraSuites ?? (ROLLING.has(suite) ? [] : [`${suite}-updates`, `${suite}-security`]);
  const sites = [first];
  for (const name of extras) {
    const site = find(name, options.extraSuites === undefined && byHand && !given.has(name));
    if (site !== undefined) sites.push(site);
    else if (options.extraSuites !== undefined) throw noMirror(name);
    else note(`no source is known for ${printable(name)}: its packages are not looked at`);
  }
  return sites;
}

/** Says how a mirror is set. */
export function noMirror(suite: string): Failure {
  return new Failure("USAGE", `no mirror is known for Debian's ${printable(suite)}`, {
    hint:
      "Name one with --mirror URL (or --mirror SUITE=URL), or put a file debian.sources (deb822, as in sources.list(5)) into the folder nought of your " +
      "configuration ($XDG_CONFIG_HOME or ~/.config).",
  });
}

/** `URL` counts for every suite but security, `SUITE=URL` for one. Keys are suites, `""` for all. */
function givenMirrors(mirrors: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const text of mirrors) {
    const [, suite = "", url = text] = /^([A-Za-z0-9][A-Za-z0-9._/-]*)=(.*)$/s.exec(text) ?? [];
    if (!isArchiveRoot(url)) {
      throw new Failure("USAGE", `--mirror ${printable(text)}: not the URL of an archive`, {
        hint: "It is the folder in which dists and pool are: http://HOST/debian, or file:///srv/debian.",
      });
    }
    found.set(suite, [...(found.get(suite) ?? []), plainRoot(url)]);
  }
  return found;
}

/** A mirror named by hand is judged by its dates, whatever apt's configuration lets pass for the machine's own. */
function mirrorSource(uris: readonly string[]): Source {
  return { uris, suites: [], components: [], signedBy: [], trusted: false, checkValidUntil: true, checkDate: true };
}

function siteOf(suite: string, sources: readonly Source[], options: ArchiveOptions, conf: AptConf, optional: boolean): Site {
  const root = options.root ?? "/";
  const first = sources[0] as Source;
  const components = options.components ?? [...new Set(sources.flatMap((source) => source.components))];
  const signedBy = [...new Set(sources.flatMap((source) => source.signedBy))];
  const roots = [...new Set(sources.flatMap((source) => source.uris))];
  return {
    suite,
    roots: options.snapshot === undefined ? roots : atTime(roots, options.snapshot, suite),
    components: components.length > 0 ? components : ["main"],
    trusted: sources.every((source) => source.trusted),
    byHash: first.byHash,
    checkValidUntil: first.checkValidUntil ?? !isNo(conf.get("acquire::check-valid-until")),
    checkDate: first.checkDate ?? !isNo(conf.get("acquire::check-date")),
    optional,
    keyring: () =>
      options.keyrings !== undefined && options.keyrings.length > 0
        ? keyringFrom(options.keyrings)
        : signedBy.length > 0
          ? keyringOf(signedBy, root)
          : machineKeyring(root),
  };
}

/** A part of a URL's path that says when the archive was like that. */
const TIME = /(\/)\d{8}T\d{6}Z(?=\/|$)/;

/** The same archives at another time. Throws USAGE for what is no time, and where no root has one. */
function atTime(roots: readonly string[], snapshot: string, suite: string): string[] {
  const [, year, month, day, time = "000000"] = /^(\d{4})-?(\d{2})-?(\d{2})(?:T(\d{6})Z)?$/.exec(snapshot) ?? [];
  if (year === undefined) throw new Failure("USAGE", `"${printable(snapshot)}" is not a time like 2025-05-20 or 20250520T083000Z`);
  const dated = roots.filter((root) => TIME.test(root)).map((root) => root.replace(TIME, `$1${year}${month}${day}T${time}Z`));
  if (dated.length > 0) return dated;
  throw new Failure("USAGE", `no mirror is known that keeps old states of ${printable(suite)}`, {
    hint: "Name one with --mirror URL: the address of any of its states, with the time in it (…/20250101T000000Z).",
  });
}

/** Whether two suites are of one archive: same ending, and both are Debian's. `bookworm-updates` and `trixie-updates` are. */
function isSister(a: string, b: string): boolean {
  const one = parts(a);
  const two = parts(b);
  return one !== undefined && two !== undefined && one.suffix === two.suffix;
}

/** Whether a suite is one of Debian's own, updates and security included. */
export function isDebianSuite(suite: string): boolean {
  return parts(suite) !== undefined;
}

function parts(suite: string): { readonly suffix: string } | undefined {
  const [, base = "", suffix = ""] = /^([a-z]+)((?:-[a-z-]+)?)$/.exec(suite) ?? [];
  return DEBIAN.has(base) ? { suffix } : undefined;
}

/** A source that offers Debian itself has `main`; a third party's archive with Debian's suite names mostly has not. */
function isDebianLike(source: Source): boolean {
  return source.components.includes("main");
}

function isSecurity(suite: string): boolean {
  return suite.endsWith("-security");
}

function ownConfiguration(options: ArchiveOptions, note: (text: string) => void): Source[] {
  const env = options.env ?? process.env;
  const folder = env["XDG_CONFIG_HOME"]?.startsWith("/")
    ? env["XDG_CONFIG_HOME"]
    : env["HOME"]?.startsWith("/")
      ? join(env["HOME"], ".config")
      : undefined;
  return folder === undefined ? [] : readSourcesFile(join(folder, "nought/debian.sources"), note);
}

function nonEmpty(list: readonly unknown[]): boolean {
  return list.length > 0;
}
