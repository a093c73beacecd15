import { existsSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { parseIgnore } from "../dockerfile/ignore.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { createMatcher, type PathMatcher } from "../kit/pattern.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import type { ContentStore } from "../store/face.ts";
import { hostTree } from "../tree/host.ts";
import type { OpenInput } from "./input.ts";
import { openLedger } from "./ledger.ts";

/** An opened folder and how to keep what was learnt of it. */
export interface FolderInput extends OpenInput {
  save(): void;
}

/**
 * What the ignore file keeps out that counts for a Dockerfile: `NAME.dockerignore` beside it, else `.dockerignore` of the context;
 * undefined
 * where there is none. Throws CONTEXT, LIMIT.
 */
export function ignoreFile(folder: string, dockerfile: string | undefined): PathMatcher | undefined {
  for (const file of [...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]), join(folder, ".dockerignore")]) {
    if (!existsSync(file)) continue;
    const patterns = parseIgnore(readSmallBytes(file, "the ignore file").toString("utf8"));
    if (patterns.length === 0) return undefined;
    try {
      return createMatcher(patterns);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new Failure("CONTEXT", `the ignore file ${printable(file)}: ${error.message}`, { cause: error });
    }
  }
  return undefined;
}

/** Reads a file of bounded size that must be a regular file (a symlink to one is fine). Throws CONTEXT, LIMIT, NOT_FOUND. */
export function readSmallBytes(file: string, what: string): Buffer {
  const stats = lookAt(file, `cannot read ${what} ${printable(file)}`);
  if (stats === undefined) throw new Failure("NOT_FOUND", `failed to read ${what}: open ${printable(file)}: no such file or directory`);
  if (!stats.isFile()) throw new Failure("CONTEXT", `${what} ${printable(file)} is not a regular file`);
  if (stats.size > LIMITS.dockerfileBytes)
    throw new Failure("LIMIT", `${what} ${printable(file)} is larger than ${LIMITS.dockerfileBytes} bytes`);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Failure("CONTEXT", `cannot read ${what} ${printable(file)}: ${reasonOf(error)}`, { cause: error });
  }
}

/** What stat says, undefined where nothing is. Throws CONTEXT for what is out of reach, its words beginning with `trouble`. */
export function lookAt(path: string, trouble: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw new Failure("CONTEXT", `${trouble}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  const code = errnoOf(error) ?? String(error);
  return code === "EACCES" ? "permission denied" : code === "ELOOP" ? "too many levels of symbolic links" : code;
}

/**
 * A folder as a source of files, with what earlier builds learnt of it. `exclude` is what an ignore file keeps out. Throws NOT_FOUND,
 * CONTEXT.
 */
export function openFolder(folder: string, exclude: PathMatcher | undefined, store: ContentStore): FolderInput {
  const stats = lookAt(folder, `unable to prepare context: "${printable(folder)}"`);
  if (stats === undefined) throw new Failure("NOT_FOUND", `unable to prepare context: path "${printable(folder)}" not found`);
  if (!stats.isDirectory()) throw new Failure("CONTEXT", `unable to prepare context: "${printable(folder)}" is not a directory`);
  const real = realpathSync(folder);
  const name = `ledger-${hexOf(digestOf(real)).slice(0, 32)}`;
  const root = real === "/" ? "" : real;
  const ledger = openLedger(store.readScratch(name), (diffId) => store.sizeOf(diffId) !== undefined);
  const tree = hostTree(root === "" ? "/" : root, exclude, (path, stamp) => ledger.find(path, stamp));
  return {
    origin: "context",
    folder: root,
    ledger,
    tree: async () => tree,
    save() {
      const bytes = ledger.encode();
      if (bytes) store.writeScratch(name, bytes);
    },
  };
}
