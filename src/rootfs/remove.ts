import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { decodeName } from "../kit/bytes.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { fsName } from "../tree/content.ts";

/**
 * Removes a directory with all it holds; harmless where it is not there. Directories that their owner may not enter are made so first:
 * layers hold them, and overlayfs makes some in its work directory. Only for directories that nobody else can reach (names are looked
 * up again between looking and removing). Throws STORAGE.
 */
export function removeTree(path: string): void {
  try {
    remove(path);
  } catch (error) {
    throw storageFailure(error, "could not remove", path);
  }
}

function remove(path: string): void {
  const stats = lstatSync(fsName(path), { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) return unlink(path);
  if ((stats.mode & 0o700) !== 0o700) chmodSync(fsName(path), 0o700);
  for (const entry of readdirSync(fsName(path), { encoding: "buffer", withFileTypes: true })) {
    const inner = `${path}/${decodeName(entry.name)}`;
    if (entry.isDirectory()) remove(inner);
    else unlink(inner);
  }
  rmdirSync(fsName(path));
}

/** Marks of unpacked layers may go by themselves meanwhile (durable.ts). */
function unlink(path: string): void {
  try {
    unlinkSync(fsName(path));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
