import { closeSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import { damagedLayer, openHostFile, readExactly, readLayer, stillTheSame } from "./content.ts";
import type { FileEntry } from "./entry.ts";

/** Opens the uncompressed tar of a layer for reads at offsets; the caller closes it. Throws NOT_FOUND, DIGEST, STORAGE. */
export type OpenLayer = (diffId: Digest) => Promise<number>;

/** The same where the caller closes nothing: the descriptor is good until others are asked for. */
export type LayerFiles = (diffId: Digest) => Promise<number>;

/** Gives a buffer to read the next bytes of a file into, at most `wanted` of them, and takes them when they are there. */
export interface ChunkTarget {
  room(wanted: number): Promise<{ readonly buffer: Buffer; readonly at: number; readonly length: number }>;
  take(length: number): void | Promise<void>;
}

/**
 * Reads a file of a tree wherever its bytes are, a piece at a time. What its entry's digest says is checked at the end.
 * Throws DIGEST for damaged layers, CHANGED and CONTEXT for files of the host.
 */
export async function readEntry(entry: FileEntry, files: LayerFiles, target: ChunkTarget): Promise<void> {
  const { content, size } = entry;
  const hash = entry.digest === undefined ? undefined : hasher();
  const fd = content.in === "host" ? openHostFile(content) : content.in === "layer" ? await files(content.diffId) : -1;
  try {
    for (let done = 0; done < size; ) {
      const { buffer, at, length } = await target.room(size - done);
      if (content.in === "memory") buffer.set(content.bytes.subarray(done, done + length), at);
      else if (content.in === "host") readExactly(fd, buffer, at, length, done, content.path);
      else readLayer(fd, buffer, at, length, content.offset + done, content.diffId);
      hash?.update(buffer.subarray(at, at + length));
      done += length;
      await target.take(length);
    }
    if (content.in === "host") stillTheSame(fd, content);
  } finally {
    if (content.in === "host") closeSync(fd);
  }
  if (hash && hash.digest() !== entry.digest) {
    if (content.in !== "layer") throw new Failure("CHANGED", `${printable(entry.path)} has other bytes than before`);
    throw damagedLayer(content.diffId, `${printable(entry.path)} has other bytes than when the layer was made`);
  }
}

/** What tells the names of one file from equal files: entries with the same address are hard links of each other. */
export function addressOf({ content }: FileEntry): string | undefined {
  if (content.in === "layer") return `${content.diffId}:${content.offset}`;
  return content.in === "host" ? `host:${content.path}` : undefined;
}
