import { closeSync, fstatSync, mkdirSync, openSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Writable } from "node:stream";
import { TarWriter } from "../format/tar-write.ts";
import { type SealTarget, seal } from "../image/seal.ts";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { type Sink, writeOutput } from "../kit/output.ts";
import { printable } from "../kit/printable.ts";
import { orStorageFailure, storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestOf, hexOf } from "../oci/digest.ts";
import { readRange } from "../place/file-bytes.ts";
import { OCI_LAYOUT } from "../place/layout.ts";
import { readChanges } from "../rootfs/changes.ts";
import { ownerOf } from "../rootfs/owner.ts";
import { removeTree } from "../rootfs/remove.ts";
import type { UnpackHow } from "../rootfs/unpack.ts";
import type { Task } from "../task/task.ts";
import { mergeTree } from "../tree/merge.ts";
import { type ArchivedMount, EMPTY_CONFIG, encodeArchive } from "./archive.ts";
import type { ListedMount } from "./list.ts";
import { mountsFolder, useSlot } from "./slot.ts";
import { locked } from "./take.ts";

/** Where an archive of cache mounts goes. */
export type CacheOutput =
  | { readonly folder: string }
  | { readonly file: string }
  | { readonly stream: Writable; readonly signal?: AbortSignal };

/** A file of an archive: bytes at hand, or a file that holds them. */
type Part = { readonly name: string } & ({ readonly bytes: Uint8Array } | { readonly from: string });

/**
 * Writes cache mounts with owners, modes, times and attributes, as archive.ts says: a folder, which must be empty or not there, or a tar of
 * the
 * same. The same contents give the same bytes. Nobody else gets the mounts meanwhile, so those in use are refused with CONFLICT. Throws
 * STORAGE, NO_SPACE, CHANGED.
 */
export async function exportCacheMounts(
  store: { readonly dir: string; temporary(): Promise<string> },
  mounts: readonly ListedMount[],
  output: CacheOutput,
  how: UnpackHow,
  task: Task,
): Promise<readonly ArchivedMount[]> {
  const folder = await store.temporary();
  mkdirSync(folder, { mode: 0o700 });
  try {
    const archived: ArchivedMount[] = [];
    for (const mount of mounts) archived.push(await pack(store.dir, mount, folder, how, task));
    const { manifest, index } = encodeArchive(archived);
    const blob = (digest: Digest) => `blobs/sha256/${hexOf(digest)}`;
    const tars = [...new Set(archived.map(({ digest }) => digest))].sort();
    const parts: Part[] = [
      { name: "oci-layout", bytes: Buffer.from(OCI_LAYOUT) },
      { name: "index.json", bytes: index },
      { name: blob(digestOf(manifest)), bytes: manifest },
      { name: blob(digestOf(EMPTY_CONFIG)), bytes: EMPTY_CONFIG },
      ...tars.map((digest) => ({ name: blob(digest), from: join(folder, hexOf(digest)) })),
    ];
    if ("folder" in output) await writeFolder(output.folder, parts);
    else await writeOutput(output, (sink) => writeTar(parts, sink));
    return archived;
  } finally {
    removeTree(folder);
  }
}

/** One mount's tar in `into`, named after its digest. */
async function pack(store: string, mount: ListedMount, into: string, how: UnpackHow, task: Task): Promise<ArchivedMount> {
  const slot = { dir: dirname(mount.data) };
  const release = await locked(mountsFolder(store), () => {
    if (mount.inUse)
      throw new Failure("CONFLICT", `the cache mount ${printable(mount.id)} is in use`, { hint: "Wait until the build has ended." });
    return useSlot(slot, "alone");
  });
  try {
    const draft = await readChanges(mount.data, mergeTree([]), how, task);
    const { layer } = await seal(draft, () => Promise.reject(new Error("no layer is read")), tarFile(into), task);
    const { id, sharing, created, lastUsed, uses, description, seed } = mount;
    const rest = { ...(description === undefined ? {} : { description }), ...(seed === undefined ? {} : { seed }) };
    return {
      digest: layer.diffId,
      size: layer.blob.size,
      key: mount.name.slice(0, 64),
      record: { id, sharing, created, lastUsed, uses, ...rest },
      root: ownerOf(mount.data, how),
    };
  } finally {
    release();
  }
}

function tarFile(folder: string): SealTarget {
  const temporary = join(folder, uniqueToken());
  const fd = createPrivate(temporary);
  let open = true;
  const close = () => {
    if (open) closeSync(fd);
    open = false;
  };
  return {
    write: (chunk) => orStorageFailure("could not write", temporary, () => writeFully(fd, chunk)),
    writeLater: async (chunk) => orStorageFailure("could not write", temporary, () => writeFully(fd, chunk)),
    async commit(digest) {
      const { size } = fstatSync(fd);
      close();
      renameSync(temporary, join(folder, hexOf(digest)));
      return { digest, size };
    },
    abort() {
      close();
      quietly(() => unlinkSync(temporary));
    },
  };
}

async function writeFolder(path: string, parts: readonly Part[]): Promise<void> {
  const there = lookAt(path);
  if (there && (!there.isDirectory() || namesIn(path).length > 0))
    throw new Failure("STORAGE", `${printable(path)} is there already`, { hint: "Name a folder that is empty or not there." });
  const half = join(dirname(path), `.${basename(path)}.nought-${uniqueToken()}`);
  try {
    mkdirSync(join(half, "blobs/sha256"), { recursive: true });
    for (const part of parts) {
      const file = join(half, part.name);
      if ("bytes" in part) writeFileSync(file, part.bytes);
      else await copy(part.from, (chunk) => writeFileSync(file, chunk, { flag: "a" }));
    }
    renameSync(half, path);
  } catch (error) {
    removeTree(half);
    throw storageFailure(error, "could not write", path);
  }
}

async function writeTar(parts: readonly Part[], sink: Sink): Promise<void> {
  const tar = new TarWriter(sink);
  const facts = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  for (const part of parts) {
    const size = "bytes" in part ? part.bytes.length : (lookAt(part.from)?.size ?? 0);
    await tar.header({ type: "file", path: part.name, ...facts, size });
    if ("bytes" in part) await tar.bytes(part.bytes);
    else await copy(part.from, (chunk) => tar.bytes(chunk));
    tar.pad();
  }
  await tar.end();
}

async function copy(from: string, take: (chunk: Buffer) => void | Promise<void>): Promise<void> {
  const fd = openSync(from, "r");
  try {
    for await (const chunk of readRange(fd, 0, fstatSync(fd).size)) await take(chunk);
  } finally {
    closeSync(fd);
  }
}
