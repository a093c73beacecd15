import { spawn } from "node:child_process";
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { ownIdentity, uniqueToken } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure } from "../kit/storage-failure.ts";
import { engineCommand } from "../sandbox/engine.ts";
import { AT_FDCWD, O } from "../sandbox/flags.ts";
import { newTable } from "../sandbox/perform.ts";

/**
 * Unpacked layers get their names before their bytes are on the disk: waiting would cost more than unpacking. While the machine runs,
 * nobody can see a difference; after a power cut, files might be empty. So beside each there is a mark with the boot that made it, which
 * goes when the file system was synced, and a layer with a mark of another boot counts as missing.
 */
export const MARK = ".new";
const MARK_BYTES = 64;
/** By then the kernel has written most of it by itself. */
const OLD_MS = 5 * 60_000;

/** To be called before a layer's directory gets its name. Throws STORAGE, NO_SPACE. */
export function markUnsynced(directory: string): void {
  orStorageFailure("could not write", directory + MARK, () => writeFileSync(directory + MARK, ownIdentity().boot, { mode: 0o600 }));
}

/** Whether what lies there may have been cut short by the end of an earlier boot. */
export function mayBeCut(directory: string): boolean {
  const mark = orStorageFailure("could not read", directory + MARK, () => readSmallFile(directory + MARK, MARK_BYTES));
  return mark !== undefined && mark.toString("latin1") !== ownIdentity().boot;
}

/** Takes the mark of a directory away that is gone. */
export function unmark(directory: string): void {
  quietly(() => unlinkSync(directory + MARK));
}

/** The directories in a folder that were made long enough ago to be worth syncing now. */
export function unsyncedLong(folder: string): string[] {
  return namesIn(folder).flatMap((name) => {
    const made = name.endsWith(MARK) ? lookAt(join(folder, name))?.mtimeMs : undefined;
    return made !== undefined && Date.now() - made > OLD_MS ? [join(folder, name.slice(0, -MARK.length))] : [];
  });
}

/** Syncs the file system that the directories lie on, beside everything else, and then takes their marks away. Nobody waits for it. */
export function syncLater(folder: string, directories: readonly string[]): void {
  if (directories.length === 0) return;
  const table = newTable();
  const fd = table.register();
  table.call("openat", [AT_FDCWD, table.text(folder), O.RDONLY, 0], { into: fd });
  table.call("syncfs", [fd]);
  for (const directory of directories) table.call("unlinkat", [AT_FDCWD, table.text(directory + MARK), 0], { ignore: true });
  const path = join(folder, `half-${uniqueToken()}`);
  // What fails here costs another unpacking after the next boot, no more.
  quietly(() => {
    const written = createPrivate(path);
    try {
      writeFully(written, table.finish().bytes);
    } finally {
      closeSync(written);
    }
    const open = openSync(path, "r");
    try {
      unlinkSync(path);
      const { command, args } = engineCommand();
      const child = spawn(command, args, { stdio: ["ignore", "ignore", "ignore", open, "ignore"], detached: true, cwd: "/" });
      child.on("error", () => {});
      child.unref();
    } finally {
      closeSync(open);
    }
  });
}
