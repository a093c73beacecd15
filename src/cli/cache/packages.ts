import { join } from "node:path";
import { type DebianUsage, debianUsage, pruneDebian } from "../../debian/prune.ts";
import { readFilter, readUntil } from "../image-filter.ts";

/** The folder of a store in which indexes and packages of Debian are kept. */
function folderOf(storeDir: string): string {
  return join(storeDir, "debian");
}

/** What packages and indexes take; all of it can be fetched again. */
export function packageUsage(storeDir: string): DebianUsage {
  return debianUsage(folderOf(storeDir));
}

/**
 * Removes packages and indexes, those written before `until` where it is given. Other filters speak of what packages do not have: with one
 * of them nothing goes, but for labels and `dangling`, which say nothing about a cache at all. Throws USAGE for a time that is none.
 */
export function prunePackages(storeDir: string, filters: readonly string[]): DebianUsage {
  const told = filters.map(readFilter).filter(({ name }) => !["label", "label!", "dangling"].includes(name));
  if (told.some(({ name }) => name !== "until")) return { files: 0, bytes: 0 };
  const borders = told.map(({ value }) => readUntil(value));
  return borders.length === 0 ? pruneDebian(folderOf(storeDir)) : pruneDebian(folderOf(storeDir), Math.min(...borders));
}
