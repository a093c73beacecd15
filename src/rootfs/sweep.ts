import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { lookAt, namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { orStorageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestFromHex } from "../oci/digest.ts";
import { fsName } from "../tree/content.ts";
import { MARK, syncLater, unsyncedLong } from "./durable.ts";
import { heldLowers, lowersFolder, whileNoneRemoved } from "./hold.ts";
import { abandonedHalves, OF, putAside } from "./lowers.ts";
import { removeTree } from "./remove.ts";

/** An unpacked layer. */
export interface UnpackedLayer {
  /** 64 hex digits: a diffID or a chain ID. */
  readonly name: string;
  readonly directory: string;
  readonly diffId: Digest;
  /** Of its files. */
  readonly bytes: number;
  /** Milliseconds since the epoch at which it got its name. */
  readonly made: number;
}

/** All unpacked layers of a store, in every form. Throws STORAGE. */
export function unpackedLayers(store: string): UnpackedLayer[] {
  return formFolders(store).flatMap((folder) =>
    namesIn(folder)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => {
        const directory = join(folder, name);
        const of = orStorageFailure("could not read", directory + OF, () => readSmallFile(directory + OF, 100)?.toString("latin1"));
        const [, hex = name, bytes = "0"] = /^([0-9a-f]{64}) ([0-9]{1,15})$/.exec(of ?? "") ?? [];
        return { name, directory, diffId: digestFromHex(hex), bytes: Number(bytes), made: lookAt(directory + OF)?.mtimeMs ?? 0 };
      }),
  );
}

function formFolders(store: string): string[] {
  return ["root", "ranges", "noted"].map((form) => join(lowersFolder(store), form)).filter((folder) => lookAt(folder) !== undefined);
}

/** Half-made and half-removed directories of processes that are gone, and files beside directories that are gone. */
function abandonedLowers(store: string): string[] {
  return formFolders(store).flatMap((folder) => {
    const names = new Set(namesIn(folder));
    const orphans = [...names].filter((name) => {
      const owner = [OF, MARK].flatMap((end) => (name.endsWith(end) ? [name.slice(0, -end.length)] : []))[0];
      if (owner === undefined || names.has(owner)) return false;
      // They are written just before the directory gets its name.
      return Date.now() - (lookAt(join(folder, name))?.mtimeMs ?? 0) > 3_600_000;
    });
    return [...abandonedHalves(folder), ...orphans.map((name) => join(folder, name))];
  });
}

/**
 * Removes unpacked layers that `keep` says nothing for and that no living process uses (all stay without it), and what processes that are
 * gone
 * left half-made. Who else relies on some (containers) has to say so by `keep`, which is asked while nobody begins to use one.
 * Needs the rights of who unpacked them: inside the user namespace where it was one. Gives how many were removed, and the bytes of those
 * that
 * were whole. Throws STORAGE.
 */
export async function sweepLowers(
  store: string,
  keep: (layer: UnpackedLayer) => boolean = () => true,
): Promise<{ readonly removed: number; readonly bytes: number }> {
  if (lookAt(lowersFolder(store)) === undefined) return { removed: 0, bytes: 0 };
  let bytes = 0;
  const gone = await whileNoneRemoved(store, () => {
    const held = heldLowers(store);
    const unused = unpackedLayers(store).filter((layer) => !held.has(layer.name) && !keep(layer));
    // Renamed first: what is being removed must not look complete to anybody, however long it takes and wherever it ends.
    for (const layer of unused) bytes += layer.bytes;
    return unused.map(({ directory }) => putAside(directory));
  });
  const left = abandonedLowers(store);
  for (const path of [...gone, ...left]) removeTree(path);
  for (const folder of formFolders(store)) syncLater(folder, unsyncedLong(folder));
  return { removed: gone.length + left.length, bytes };
}

/** Bytes on disk below a directory, names of one file counted once. What may not be looked into counts as nothing. */
export function bytesBelow(directory: string): number {
  const seen = new Set<number>();
  let bytes = 0;
  const walk = (path: string): void => {
    const stats = lstatSync(fsName(path), { throwIfNoEntry: false });
    if (stats === undefined || seen.has(stats.ino)) return;
    if (stats.nlink > 1 && !stats.isDirectory()) seen.add(stats.ino);
    bytes += stats.blocks * 512;
    if (!stats.isDirectory()) return;
    try {
      for (const name of readdirSync(fsName(path), { encoding: "latin1" })) walk(`${path}/${name}`);
    } catch {
      // Not ours to look into.
    }
  };
  walk(directory);
  return bytes;
}
