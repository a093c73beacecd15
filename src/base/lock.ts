import { isAbsolute } from "node:path";
import type { LockEntry } from "../debian/face.ts";
import { isPackageName } from "../debian/relation.ts";
import { isVersion } from "../debian/version.ts";
import { parseJson } from "../image/json.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { digestOf } from "../oci/digest.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import { oneLayerEach } from "./layers.ts";
import { architectureOf, type Pinned } from "./pinned.ts";
import { RECIPE_VERSION, type Recipe } from "./recipe.ts";

/** Bytes of a lock file. */
export const LOCK_BYTES = 16 << 20;

/** A suite as it was when packages were chosen. */
export interface LockedSuite {
  readonly name: string;
  /** RFC 3339. */
  readonly date: string;
  readonly sha256: string;
}

/** The packages of a recipe for one platform, layer by layer. */
export interface LockedPlatform {
  readonly suites: readonly LockedSuite[];
  readonly layers: readonly (readonly LockEntry[])[];
}

/**
 * A lock file: the packages that a recipe came to. It names suites, paths, versions and digests, and no host: whoever builds from it
 * joins the mirror. `recipe` is the digest of what asked for them.
 */
export interface Lock {
  readonly version: 1;
  readonly suite: string;
  readonly recipe: string;
  readonly platforms: Readonly<Record<string, LockedPlatform>>;
}

/** What the choice of packages depends on, apart from suite and platform: a lock for another recipe is not used. */
export function recipeDigest(recipe: Recipe): string {
  const asked = recipe.stages.map(({ packages, assume, recommends, essential, priorities, layers }) => ({
    packages,
    assume,
    recommends,
    essential,
    priorities,
    layers,
  }));
  return digestOf(JSON.stringify([RECIPE_VERSION, asked]));
}

/** A lock with the packages of one platform added or replaced. Those of others stay, if they are for the same recipe and suite. */
export function withPlatform(before: Lock | undefined, recipe: Recipe, suite: string, platform: Platform, pinned: Pinned): Lock {
  const digest = recipeDigest(recipe);
  const kept = before?.suite === suite && before.recipe === digest ? before.platforms : {};
  const suites = pinned.suites.map(({ name, date, sha256 }) => ({ name, date: new Date(date * 1000).toISOString(), sha256 }));
  return { version: 1, suite, recipe: digest, platforms: { ...kept, [formatPlatform(platform)]: { suites, layers: pinned.stages } } };
}

/** The text of a lock file: JSON, one package a line, so that a change reads well. The same lock gives the same text. */
export function formatLock(lock: Lock): string {
  const platforms = Object.entries(lock.platforms)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { suites, layers }]) => {
      const lines = layers.map((layer) =>
        layer.length === 0
          ? "        []"
          : `        [\n${layer.map((one) => `          ${JSON.stringify(ordered(one))}`).join(",\n")}\n        ]`,
      );
      const from = suites.map((suite) => `        ${JSON.stringify(suite)}`).join(",\n");
      return `    ${JSON.stringify(name)}: {\n      "suites": [\n${from}\n      ],\n      "layers": [\n${lines.join(",\n")}\n      ]\n    }`;
    });
  const head = `  "version": 1,\n  "suite": ${JSON.stringify(lock.suite)},\n  "recipe": ${JSON.stringify(lock.recipe)}`;
  return `{\n${head},\n  "platforms": {\n${platforms.join(",\n")}\n  }\n}\n`;
}

function ordered({ name, version, architecture, suite, path, size, sha256 }: LockEntry): LockEntry {
  return { name, version, architecture, suite, path, size, sha256 };
}

/** Reads a lock file. Throws PACKAGE for one that is none, or that names what no lock may: hosts, paths that lead out. */
export function parseLock(bytes: Uint8Array, where: string): Lock {
  const bad = (why: string) =>
    new Failure("PACKAGE", `lock file ${printable(where)}: ${why}`, {
      hint: "Make it anew: nought base build --lock FILE, without the old file.",
    });
  if (bytes.length > LOCK_BYTES) throw new Failure("LIMIT", `lock file ${printable(where)}: larger than ${LOCK_BYTES} bytes`);
  let value: unknown;
  try {
    value = parseJson(bytes, where);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : "it is no JSON");
  }
  const lock = object(value);
  if (lock?.version !== 1) throw bad("its version is not 1");
  if (typeof lock.suite !== "string" || typeof lock.recipe !== "string") throw bad("it names no suite or recipe");
  if (!SUITE.test(lock.suite)) throw bad("its suite is no name");
  const platforms = object(lock.platforms);
  if (!platforms) throw bad("it has no platforms");
  const read = Object.entries(platforms).map(([name, one]): [string, LockedPlatform] => {
    const { suites, layers } = object(one) ?? {};
    if (!Array.isArray(layers) || !layers.every((layer) => Array.isArray(layer))) throw bad(`${printable(name)}: its layers are no lists`);
    const entries = layers.map((layer: unknown[]) => layer.map((entry) => entryOf(entry) ?? reject(bad, entry)));
    return [name, { suites: Array.isArray(suites) ? suites.flatMap((suite) => suiteOf(suite) ?? []) : [], layers: entries }];
  });
  return { version: 1, suite: lock.suite, recipe: lock.recipe, platforms: Object.fromEntries(read) };
}

const SUITE = /^[a-z0-9][a-z0-9./-]{0,100}$/;

function reject(bad: (why: string) => Failure, entry: unknown): never {
  throw bad(`an entry that pins no package: ${printable(JSON.stringify(entry).slice(0, 120))}`);
}

function entryOf(value: unknown): LockEntry | undefined {
  const { name, version, architecture, suite, path, size, sha256 } = object(value) ?? {};
  if (typeof name !== "string" || !isPackageName(name) || typeof version !== "string" || !isVersion(version)) return undefined;
  if (typeof architecture !== "string" || !/^[a-z0-9-]{1,30}$/.test(architecture)) return undefined;
  if (typeof suite !== "string" || !SUITE.test(suite) || suite.split("/").includes("..")) return undefined;
  if (typeof path !== "string" || path.length > 1_000 || isAbsolute(path) || !/^[A-Za-z0-9._+~%/-]+$/.test(path)) return undefined;
  if (path.split("/").some((part) => part === ".." || part === "." || part === "")) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return { name, version, architecture, suite, path, size, sha256 };
}

function suiteOf(value: unknown): LockedSuite | undefined {
  const { name, date, sha256 } = object(value) ?? {};
  return typeof name === "string" && typeof date === "string" && typeof sha256 === "string" ? { name, date, sha256 } : undefined;
}

function object(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

/**
 * The packages that a lock pins for a platform; undefined where it has none for it. Throws PACKAGE where it was made for another recipe.
 */
export function lockedFor(lock: Lock, recipe: Recipe, platform: Platform, where: string): Pinned | undefined {
  const found = Object.hasOwn(lock.platforms, formatPlatform(platform)) ? lock.platforms[formatPlatform(platform)] : undefined;
  if (found === undefined) return undefined;
  if (lock.recipe !== recipeDigest(recipe) || found.layers.length !== oneLayerEach(recipe).length)
    throw new Failure("PACKAGE", `lock file ${printable(where)}: it was made for other packages than the recipe asks for`, {
      hint: "`nought base update` shows what would change and, with --write, brings the lock up to date.",
    });
  return { architecture: architectureOf(platform), stages: found.layers, suites: [] };
}
