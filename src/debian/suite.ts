import { createHash, hash } from "node:crypto";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { redactUrl } from "../net/redact.ts";
import type { Task } from "../task/task.ts";
import type { Cache } from "./cache.ts";
import { ageOf, checkDates, checkOrigin, checkSuite } from "./check-release.ts";
import { splitClearSigned } from "./clear-signed.ts";
import type { Suite } from "./face.ts";
import { parseRelease, type Release } from "./release.ts";
import type { Site } from "./site.ts";
import { getBytes, isMissing, type Transport } from "./transport.ts";
import { verifySignatures } from "./verify.ts";

/** A suite whose table of contents is verified. */
export interface OpenSuite {
  readonly suite: Suite;
  readonly release: Release;
  readonly site: Site;
  /** The archive root that answered. */
  readonly root: string;
}

/** What reading a suite needs besides its site. Times are milliseconds. */
export interface SuiteAccess {
  readonly cache: Cache;
  readonly transport: Transport;
  readonly offline: boolean;
  readonly allowExpired: boolean;
  /** A suite that was asked for less long ago is not asked for again. */
  readonly maxAge: number;
  readonly now: () => number;
}

/** What the cache keeps of a suite at one root. */
interface Seen {
  readonly version: 1;
  /** The signed text, its sha256, and the sum of the keyring it was verified with; empty for one that was accepted unsigned. */
  readonly text: string;
  readonly sha256: string;
  readonly keyring: string;
  /** Milliseconds since the epoch. */
  readonly verifiedAt: number;
  readonly askedAt: number;
  readonly etag?: string;
}

/** So long a verification counts before signatures, expiry and revocation of keys are looked at again. */
const VERIFIED_FOR = 24 * 3_600_000;

/**
 * Fetches the Release file of a suite and verifies it: signature, suite, dates, and that it is not older than the one seen before.
 * Undefined where an optional suite is not there. What the cache has is used where the server says that it is the newest, was asked a
 * moment ago, or cannot be reached. Throws SIGNATURE, PACKAGE, NETWORK, LIMIT.
 */
export async function openSuite(site: Site, access: SuiteAccess, task: Task): Promise<OpenSuite | undefined> {
  let problem: unknown;
  let missing = 0;
  for (const root of site.roots) {
    try {
      return await openAt(site, root, access, task);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "NETWORK") throw error;
      if (isMissing(error)) missing++;
      problem ??= error;
      if (site.roots.length > 1) task.emit({ type: "note", text: `${error.message}; trying the next mirror` });
    }
  }
  if (site.optional && missing === site.roots.length) {
    task.emit({ type: "note", text: `${printable(site.suite)} is not at the mirror that was named: its packages are not looked at` });
    return undefined;
  }
  if (missing === 0 || !(problem instanceof Failure)) throw problem;
  throw new Failure("NETWORK", `${problem.message}: the mirror has no suite ${printable(site.suite)}`, {
    hint: "Check the name of the suite, and that the mirror's URL is the folder in which dists and pool are.",
    cause: problem.cause,
  });
}

async function openAt(site: Site, root: string, access: SuiteAccess, task: Task): Promise<OpenSuite> {
  const { cache, now } = access;
  const note = (text: string) => task.emit({ type: "note", text });
  const file = cache.path("suites", `${hash("sha256", `${root}\0${site.suite}`).slice(0, 32)}.json`);
  const seen = readSeen(cache.read(file, 2 * LIMITS.releaseBytes));
  const where = `${redactUrl(root)}/dists/${site.suite}/InRelease`;
  const done = (state: Seen, offline: boolean): OpenSuite => {
    const release = parseRelease(state.text, where);
    checkSuite(release, site, where);
    if (!access.offline) checkDates(release, site, where, now(), access.allowExpired, note);
    return { site, root, release, suite: describe(site, release, state.sha256, offline) };
  };
  if (access.offline) {
    if (seen === undefined) {
      throw new Failure("NETWORK", `${printable(site.suite)} was never fetched, and offline nothing is asked for`, {
        hint: "Run it once without --offline.",
      });
    }
    const { date } = parseRelease(seen.text, where);
    note(`${printable(site.suite)} is taken from the cache; it is ${date === undefined ? "of unknown age" : `${ageOf(date, now())} old`}`);
    return done(await verifiedAgain(seen, site, where, now()), true);
  }
  // Without the right keyring nothing of the cache counts, and this throws where there is none.
  const sum = site.trusted ? "" : site.keyring().sum;
  const usable =
    seen !== undefined && seen.keyring === sum && now() - seen.verifiedAt < VERIFIED_FOR && now() >= seen.verifiedAt ? seen : undefined;
  if (usable !== undefined && now() - usable.askedAt < access.maxAge) return done(usable, false);
  // What verifies is loaded while the answer is on its way; whatever is wrong with that is told when it is used.
  if (usable === undefined && !site.trusted) void import("openpgp").catch(() => {});
  let answer: Awaited<ReturnType<typeof ask>>;
  try {
    answer = await ask(site, root, access, usable?.etag, task);
  } catch (error) {
    if (seen === undefined || !(error instanceof Failure) || error.code !== "NETWORK" || isMissing(error)) throw error;
    note(`${error.message}; ${printable(site.suite)} is taken from the cache`);
    return done(await verifiedAgain(seen, site, where, now()), true);
  }
  if (answer === undefined) {
    const state = { ...(usable as Seen), askedAt: now() };
    cache.write(file, Buffer.from(JSON.stringify(state)));
    return done(state, false);
  }
  const release = parseRelease(answer.text.toString("utf8"), where);
  checkSuite(release, site, where);
  checkDates(release, site, where, now(), access.allowExpired, note);
  const before = seen === undefined ? undefined : parseRelease(seen.text, where);
  if (before !== undefined) checkOrigin(release, before, where);
  if (before !== undefined && seen !== undefined && (release.date ?? 0) < (before.date ?? 0)) {
    const [older, newer] = [release.date ?? 0, before.date ?? 0].map((time) => new Date(time).toISOString());
    note(`${where} is older (${older}) than what was seen before (${newer}), which is used instead: the mirror went back in time`);
    return done(await verifiedAgain(seen, site, where, now()), true);
  }
  const state: Seen = {
    version: 1,
    text: answer.text.toString("utf8"),
    sha256: createHash("sha256").update(answer.text).digest("hex"),
    keyring: sum,
    verifiedAt: now(),
    askedAt: now(),
    ...(answer.etag === undefined ? {} : { etag: answer.etag }),
  };
  cache.write(file, Buffer.from(JSON.stringify(state)));
  return { site, root, release, suite: describe(site, release, state.sha256, false) };
}

/** The signed text at a root, verified; undefined where the server says that ours is the newest. InRelease first, as apt does. */
async function ask(
  site: Site,
  root: string,
  { transport, now }: SuiteAccess,
  etag: string | undefined,
  task: Task,
): Promise<{ readonly text: Buffer; readonly etag?: string } | undefined> {
  const base = `${root}/dists/${site.suite}`;
  let inline: Awaited<ReturnType<typeof getBytes>>;
  try {
    inline = await getBytes(transport, `${base}/InRelease`, LIMITS.releaseBytes, task, etag);
    if (inline === undefined) return undefined;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  if (inline !== undefined) {
    const where = redactUrl(`${base}/InRelease`);
    if (site.trusted) return { ...inline, text: unsigned(inline.bytes, where, task) };
    const { text, signature } = splitClearSigned(inline.bytes, where);
    await verifySignatures(text, signature, site.keyring(), where, now());
    return { text, ...(inline.etag === undefined ? {} : { etag: inline.etag }) };
  }
  const where = redactUrl(`${base}/Release`);
  const plain = await getBytes(transport, `${base}/Release`, LIMITS.releaseBytes, task);
  if (plain === undefined) throw new Failure("NETWORK", `${where}: the server sent nothing`);
  if (site.trusted) return { text: unsigned(plain.bytes, where, task) };
  let signature: Awaited<ReturnType<typeof getBytes>>;
  try {
    signature = await getBytes(transport, `${base}/Release.gpg`, LIMITS.releaseBytes, task);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  if (signature === undefined || signature.bytes.length === 0) {
    throw new Failure("SIGNATURE", `${where}: it is not signed (there is neither InRelease nor Release.gpg)`, {
      hint: "Nothing unsigned is used. For an archive of your own, sign it, or say trusted=yes in its sources entry.",
    });
  }
  await verifySignatures(plain.bytes, signature.bytes, site.keyring(), `${where}.gpg`, now());
  return { text: plain.bytes };
}

/** For sources that the owner of the machine calls trusted: the text, signed or not. */
function unsigned(bytes: Buffer, where: string, task: Task): Buffer {
  task.emit({ type: "note", text: `${where} is not verified: its sources entry says trusted=yes` });
  return bytes.toString("latin1", 0, 64).startsWith("-----BEGIN PGP SIGNED MESSAGE-----") ? splitClearSigned(bytes, where).text : bytes;
}

/**
 * What the cache kept was verified when it was written, by its own keyring; here only its sum is computed again. A changed keyring makes it
 * useless.
 */
async function verifiedAgain(seen: Seen, site: Site, where: string, at: number): Promise<Seen> {
  const sum = site.trusted ? "" : site.keyring().sum;
  if (seen.keyring !== sum) {
    throw new Failure("SIGNATURE", `${printable(where)}: what the cache has of it was verified with other keys than those trusted now`, {
      hint: "Fetch it again with a server at hand.",
    });
  }
  if (seen.verifiedAt > at + VERIFIED_FOR)
    throw new Failure("SIGNATURE", `${printable(where)}: the cache is from the future`, { hint: "Set the clock." });
  return seen;
}

function describe(site: Site, release: Release, sha256: string, offline: boolean): Suite {
  return {
    name: site.suite,
    codename: release.codename,
    origin: release.origin,
    date: Math.floor((release.date ?? 0) / 1000),
    ...(release.validUntil === undefined ? {} : { validUntil: Math.floor(release.validUntil / 1000) }),
    sha256,
    offline,
  };
}

/** Undefined for what is missing, damaged or written by another version. */
function readSeen(bytes: Buffer | undefined): Seen | undefined {
  if (bytes === undefined) return undefined;
  try {
    const seen = JSON.parse(bytes.toString("utf8")) as Partial<Seen>;
    const { version, text, sha256, keyring, verifiedAt, askedAt, etag } = seen;
    const whole =
      version === 1 &&
      typeof text === "string" &&
      typeof keyring === "string" &&
      typeof verifiedAt === "number" &&
      typeof askedAt === "number" &&
      (etag === undefined || typeof etag === "string") &&
      sha256 === hash("sha256", text);
    return whole ? (seen as Seen) : undefined;
  } catch {
    return undefined;
  }
}
