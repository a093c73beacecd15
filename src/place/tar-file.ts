import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from "node:fs";
import { decompress } from "../format/decompress.ts";
import { foreignKind } from "../format/detect.ts";
import type { TarMember } from "../format/tar-member.ts";
import { TarParser } from "../format/tar-read.ts";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import type { Task } from "../task/task.ts";
import { parentOf, toPath } from "../tree/path.ts";
import { readRange } from "./file-bytes.ts";

const READ = 64 << 10;
const LINKS = 16;

/** A file inside an archive: where its content lies in the plain tar. */
export interface TarFileMember {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** A tar archive that can be read at any place, its members known by name. Close it at the end. */
export interface TarFile extends Disposable {
  /** What the archive was called by the person, for messages. */
  readonly label: string;
  readonly fd: number;
  /** The file of that name, symlinks and hard links inside the archive followed; undefined where there is none. */
  file(path: string): TarFileMember | undefined;
  /** How often a name occurs, for names that must be unambiguous. */
  count(path: string): number;
  readonly names: Iterable<string>;
  /** A whole small file. Throws LIMIT above `limit`. */
  read(member: TarFileMember, limit: number): Promise<Buffer>;
  stream(member: TarFileMember): AsyncIterable<Buffer>;
}

/** Where an archive comes from: a path, or an open stream such as standard input. */
export type ArchiveSource = { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> };

/**
 * Opens an archive. A plain tar on disk is read in place: only its headers, contents are skipped. A compressed one (gzip, zstd, xz,
 * bzip2, told by their magic) or a stream is unpacked into `temporary` first, within LIMITS.unpackedBytes. Throws NOT_FOUND,
 * TAR, COMPRESSION, LIMIT, NO_SPACE, STORAGE.
 */
export async function openTar(source: ArchiveSource, temporary: () => Promise<string>, task: Task): Promise<TarFile> {
  const label = "path" in source ? source.path : "standard input";
  const given = "path" in source ? openArchive(source.path) : undefined;
  let plain: number;
  try {
    if (given !== undefined && isPlain(given)) plain = given;
    else plain = await spool("path" in source ? fromFile(given as number) : source.stream, label, await temporary(), task);
  } catch (error) {
    if (given !== undefined) closeSync(given);
    throw error;
  }
  if (given !== undefined && plain !== given) closeSync(given);
  try {
    return await indexed(plain, label, task);
  } catch (error) {
    closeSync(plain);
    throw error;
  }
}

/** A path given by the person may be a link, a FIFO or a device; only a directory cannot be an archive. */
function openArchive(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw storageFailure(error, "could not open", path);
    throw new Failure("NOT_FOUND", `open ${printable(path)}: no such file or directory`, { cause: error });
  }
}

/** A regular file that is neither compressed nor anything else we can tell. */
function isPlain(fd: number): boolean {
  if (!fstatSync(fd).isFile()) return false;
  const head = Buffer.alloc(512);
  const got = readSync(fd, head, 0, 512, 0);
  return got === 512 && head.toString("latin1", 257, 262) === "ustar";
}

async function* fromFile(fd: number): AsyncGenerator<Buffer> {
  if (fstatSync(fd).isFile()) yield* readRange(fd, 0, fstatSync(fd).size);
  else {
    const { createReadStream } = await import("node:fs");
    yield* createReadStream("", { fd, autoClose: false, highWaterMark: 1 << 20 });
  }
}

/** Unpacks a stream into a private file that has no name any more: it goes away with its descriptor. */
async function spool(source: AsyncIterable<Uint8Array>, label: string, temporary: string, task: Task): Promise<number> {
  let size = 0;
  const { bytes, kind, head } = await decompress(source);
  if (head.length === 0) throw new Failure("TAR", `${printable(label)} is empty`);
  const foreign = kind === "other" ? foreignKind(head) : undefined;
  if (foreign !== undefined) throw new Failure("TAR", `${printable(label)} is no tar archive: it looks like ${foreign}`);
  // Seen before the disk is filled with it. Zeros may begin an archive: an empty one.
  if (kind === "other" && head[0] !== 0) throw new Failure("TAR", `${printable(label)}, byte 0: not a tar archive`);
  try {
    const out = createPrivate(temporary);
    try {
      for await (const chunk of bytes) {
        if (task.signal.aborted) throw new Failure("INTERRUPTED", `${printable(label)}: interrupted`);
        size += chunk.length;
        if (size > LIMITS.unpackedBytes)
          throw new Failure("LIMIT", `${printable(label)}: more than ${LIMITS.unpackedBytes} bytes (limit unpackedBytes)`);
        writeFully(out, chunk);
      }
    } finally {
      closeSync(out);
    }
    return openSync(temporary, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw storageFailure(error, "could not write", temporary);
  } finally {
    quietly(() => unlinkSync(temporary));
  }
}

async function scan(fd: number, label: string, task: Task): Promise<TarMember[]> {
  const { size } = fstatSync(fd);
  const members: TarMember[] = [];
  const parser = new TarParser({ member: (member) => members.push(member), data: () => {} }, printable(label));
  const nothing = Buffer.alloc(1 << 20);
  for (let at = 0; at < size; ) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `${printable(label)}: interrupted`);
    for await (const chunk of readRange(fd, at, Math.min(size, at + READ))) {
      parser.push(chunk);
      at += chunk.length;
    }
    const last = members.at(-1);
    const end = last === undefined ? 0 : Math.min(last.offset + last.size, size);
    // The parser wants all bytes; those of contents it only counts, so it gets as many zeros.
    for (; at < end; at += Math.min(nothing.length, end - at)) parser.push(nothing.subarray(0, Math.min(nothing.length, end - at)));
  }
  parser.end();
  return members;
}

async function indexed(fd: number, label: string, task: Task): Promise<TarFile> {
  const members = await scan(fd, label, task);
  const byPath = new Map<string, TarMember>();
  const counts = new Map<string, number>();
  for (const member of members) {
    const path = toPath(member.path);
    // A name that leads out is never asked for by its normal form.
    if (member.path.split("/").includes("..") || path === "/") continue;
    byPath.set(path, member);
    if (member.type !== "dir") counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  const follow = (path: string, left: number): TarFileMember | undefined => {
    const member = byPath.get(path);
    if (member === undefined || left === 0) return undefined;
    if (member.type === "symlink") return follow(toPath(member.link, parentOf(path as never)), left - 1);
    if (member.type === "hardlink") return follow(toPath(member.link), left - 1);
    return member.type === "file" ? { path: path.slice(1), offset: member.offset, size: member.size } : undefined;
  };
  return {
    label,
    fd,
    names: byPath.keys(),
    file: (path) => (path === "" || path.split("/").includes("..") ? undefined : follow(toPath(path), LINKS)),
    count: (path) => counts.get(toPath(path)) ?? 0,
    stream: ({ offset, size }) => readRange(fd, offset, offset + size),
    async read({ path, offset, size }, limit) {
      if (size > limit) throw new Failure("LIMIT", `${printable(label)}: ${printable(path)} has ${size} bytes; the limit is ${limit}`);
      const chunks: Buffer[] = [];
      for await (const chunk of readRange(fd, offset, offset + size)) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}
