import { hash } from "node:crypto";
import { closeSync } from "node:fs";
import { type TarHeader, TarWriter } from "../format/tar-write.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, digestOf, hasher } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { Task } from "../task/task.ts";
import { damagedLayer, openHostFile, readExactly, readLayer, stillTheSame } from "../tree/content.ts";
import type { Draft, Entry, FileEntry, LayerAddress } from "../tree/entry.ts";
import type { OpenLayer } from "../tree/read.ts";
import type { Layer } from "./layer.ts";
import { type LayerWindow, LayerWindows } from "./layer-window.ts";

const EMPTY = digestOf("");
/** Bytes from which a chunk is worth a turn of the thread pool. */
const LARGE = 256 << 10;

/** Where a sealed blob goes: the store's BlobWriter fits. */
export interface SealTarget {
  write(chunk: Uint8Array): void | Promise<void>;
  /** The chunk is the target's until the promise settles. */
  writeLater(chunk: Uint8Array): Promise<void>;
  commit(digest: Digest): Promise<{ digest: Digest; size: number }>;
  abort(): void;
}

export interface Sealed {
  readonly layer: Layer;
  /** The draft again, contents now addresses in the new layer and every digest known. */
  readonly draft: Draft;
}

/**
 * Turns a draft into a layer: reads each content once, hashing it, the whole tar, and writing, in one pass. The bytes depend on
 * the draft alone: order, times and owners are the entries', PAX only where ustar cannot say it.
 * Throws CHANGED when a host file is not what its stamp says, DIGEST when a layer's bytes are not what its index says.
 */
export async function seal(draft: Draft, openLayer: OpenLayer, target: SealTarget, task: Task): Promise<Sealed> {
  const whole = hasher();
  const tar = new TarWriter((chunk) => {
    // A large chunk is written by the thread pool while it is hashed here.
    const written = chunk.length >= LARGE ? target.writeLater(chunk) : target.write(chunk);
    whole.update(chunk);
    return written;
  });
  const sealed: Entry[] = [];
  // Where each file's bytes begin, and their digest; in step with `sealed`.
  const offsets: number[] = [];
  const digests: (Digest | undefined)[] = [];
  using layers = new LayerWindows(openLayer);
  try {
    for (const entry of draft) {
      stopIfAsked(task);
      if (entry.kind === "dir" && entry.path === "/") continue;
      const header = headerOf(entry);
      if (tar.room < 512) await tar.flush();
      if (!tar.tryHeader(header)) await tar.header(header);
      offsets.push(tar.offset);
      if (entry.kind === "file") {
        const layer = sourceLayer(entry);
        const window = layer && (layers.get(layer.diffId) ?? (await layers.open(layer.diffId)));
        digests.push(entry.size === 0 ? EMPTY : (small(entry, tar, window) ?? (await body(entry, tar, window, task))));
        tar.pad();
      } else digests.push(undefined);
      sealed.push(entry);
      if (entry.kind === "dir" && entry.opaque) await tar.header(bare(`${header.path}.wh..wh..opq`, entry.mtime));
    }
    await tar.end();
    const diffId = whole.digest();
    const { size } = await target.commit(diffId);
    return {
      layer: { diffId, blob: { mediaType: MEDIA.layer, digest: diffId, size } },
      draft: sealed.map((entry, at) =>
        entry.kind === "file" ? addressed(entry, diffId, offsets[at] as number, digests[at] as Digest) : entry,
      ),
    };
  } catch (error) {
    target.abort();
    throw error;
  }
}

/** The entry as the layer's index has it. */
function addressed(entry: FileEntry, diffId: Digest, offset: number, digest: Digest): FileEntry {
  const { path, kind, mode, uid, gid, mtime, size } = entry;
  const content = { in: "layer", diffId, offset } as const;
  return { path, kind, mode, uid, gid, mtime, size, content, digest, ...(entry.xattrs ? { xattrs: entry.xattrs } : {}) };
}

function headerOf(entry: Entry): TarHeader {
  const path = entry.path.slice(1);
  const { mode, uid, gid, mtime } = entry;
  const xattrs = entry.xattrs;
  const facts = { mode, uid, gid, mtime, size: 0, ...(xattrs ? { xattrs } : {}) };
  switch (entry.kind) {
    case "file":
      return { ...facts, type: "file", path, size: entry.size };
    case "dir":
      return { ...facts, type: "dir", path: `${path}/` };
    case "symlink":
      return { ...facts, type: "symlink", path, link: entry.target };
    case "hardlink":
      return { ...facts, type: "hardlink", path, link: entry.target.slice(1) };
    case "char":
    case "block":
      return { ...facts, type: entry.kind, path, major: entry.major, minor: entry.minor };
    case "fifo":
      return { ...facts, type: "fifo", path };
    case "whiteout": {
      const slash = path.lastIndexOf("/") + 1;
      return bare(`${path.slice(0, slash)}.wh.${path.slice(slash)}`, mtime);
    }
  }
}

/** The header of an empty file that means something by its name alone (OCI image-spec, layer.md, "Whiteouts"). */
function bare(path: string, mtime: number): TarHeader {
  return { type: "file", path, mode: 0, uid: 0, gid: 0, mtime, size: 0 };
}

/** Where a file is read from, if that is a layer. A host file whose bytes are in a layer already is read there: one file for many. */
function sourceLayer({ content }: FileEntry): LayerAddress | undefined {
  return content.in === "layer" ? content : content.in === "host" ? content.copy : undefined;
}

/** The common case without a promise: a file that fits into what is left of the buffer. Undefined for any other. */
function small(entry: FileEntry, tar: TarWriter, window: LayerWindow | undefined): Digest | undefined {
  const { content, size } = entry;
  if (content.in === "memory" || size > tar.room) return undefined;
  const at = tar.used;
  const layer = sourceLayer(entry);
  if (layer !== undefined) (window as LayerWindow).copy(layer.offset, size, tar.buffer, at);
  else if (content.in === "host") {
    const fd = openHostFile(content);
    try {
      readExactly(fd, tar.buffer, at, size, 0, content.path);
      stillTheSame(fd, content);
    } finally {
      closeSync(fd);
    }
  }
  tar.used += size;
  const digest = `sha256:${hash("sha256", tar.buffer.subarray(at, at + size), "hex")}` as Digest;
  return layer === undefined ? digest : asIndexed(entry, layer, digest);
}

/** Copies one file's bytes into the tar and gives their digest. */
async function body(entry: FileEntry, tar: TarWriter, window: LayerWindow | undefined, task: Task): Promise<Digest> {
  const { content, size } = entry;
  if (content.in === "memory") {
    await tar.bytes(content.bytes);
    // Whoever put bytes into memory with a digest has computed it from them.
    return entry.digest ?? digestOf(content.bytes);
  }
  const layer = sourceLayer(entry);
  if (layer !== undefined) {
    const { fd } = window as LayerWindow;
    const read: Read = (buffer, at, length, from) => readLayer(fd, buffer, at, length, layer.offset + from, layer.diffId);
    return asIndexed(entry, layer, await copy(read, size, tar, task));
  }
  if (content.in === "layer") throw new Error("internal: a layer's file is read from its layer");
  const fd = openHostFile(content);
  try {
    const digest = await copy((buffer, at, length, from) => readExactly(fd, buffer, at, length, from, content.path), size, tar, task);
    stillTheSame(fd, content);
    return digest;
  } finally {
    closeSync(fd);
  }
}

/** A layer's bytes must be those that its index speaks of. Throws DIGEST. */
function asIndexed(entry: FileEntry, layer: LayerAddress, digest: Digest): Digest {
  if (entry.digest === undefined || entry.digest === digest) return digest;
  throw damagedLayer(layer.diffId, `${printable(entry.path)} has other bytes than when the layer was made`);
}

/** Reads `length` bytes of a content, from the one at `from` on, into `buffer` at `at`. */
type Read = (buffer: Buffer, at: number, length: number, from: number) => void;

/** Reads `size` bytes straight into the tar's buffer. */
async function copy(read: Read, size: number, tar: TarWriter, task: Task): Promise<Digest> {
  // A file that fits into what is left of the buffer, or into a fresh one, is hashed in one call.
  if (size > tar.room && size <= tar.buffer.length) await tar.flush();
  if (size <= tar.room) {
    const at = tar.used;
    read(tar.buffer, at, size, 0);
    tar.used += size;
    return `sha256:${hash("sha256", tar.buffer.subarray(at, at + size), "hex")}` as Digest;
  }
  const one = hasher();
  for (let done = 0; done < size; ) {
    if (tar.room === 0) await tar.flush();
    stopIfAsked(task);
    const at = tar.used;
    const length = Math.min(tar.room, size - done);
    read(tar.buffer, at, length, done);
    one.update(tar.buffer.subarray(at, at + length));
    tar.used += length;
    done += length;
  }
  return one.digest();
}

function stopIfAsked(task: Task): void {
  if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while writing a layer");
}
