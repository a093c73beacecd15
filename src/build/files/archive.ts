import { closeSync } from "node:fs";
import { decompress } from "../../format/decompress.ts";
import { decodeIndex } from "../../image/index.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Digest } from "../../oci/digest.ts";
import { openHostFile, readExactly, readLayer, stillTheSame } from "../../tree/content.ts";
import type { Draft, Entry, FileEntry } from "../../tree/entry.ts";
import { join, nameOf, type Path, parentOf, ROOT, toPath } from "../../tree/path.ts";
import { keepTar } from "../keep-tar.ts";
import { keyOf } from "../key.ts";
import type { Workshop } from "../workshop.ts";
import type { DraftBuilder } from "./draft.ts";
import type { Placing } from "./place.ts";

const CHUNK = 256 << 10;

/** The bytes of a file, wherever they are. Throws CHANGED for a host file that changed meanwhile. */
export async function* contentOf(file: FileEntry, shop: Workshop): AsyncGenerator<Uint8Array> {
  const { content, size } = file;
  if (content.in === "memory") {
    yield content.bytes;
    return;
  }
  const fd = content.in === "host" ? openHostFile(content) : await shop.shelf.open(content.diffId);
  try {
    for (let at = 0; at < size; at += CHUNK) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      if (content.in === "host") readExactly(fd, chunk, 0, chunk.length, at, content.path);
      else readLayer(fd, chunk, 0, chunk.length, content.offset + at, content.diffId);
      yield chunk;
    }
    if (content.in === "host") stillTheSame(fd, content);
  } finally {
    closeSync(fd);
  }
}

/**
 * What an archive holds, if the file is a tar (plain, gzip, bzip2, xz or zstd), whatever its name; undefined for any other file. The plain
 * tar is kept as a blob of the store, so that its files have addresses there. Throws TAR or COMPRESSION for an archive that is
 * damaged after its first header.
 */
export async function tryArchive(file: FileEntry, shop: Workshop): Promise<Draft | undefined> {
  const { store, task } = shop;
  const memo = file.digest === undefined ? undefined : keyOf("archive/1", file.digest);
  const known = memo && (shop.recall(memo)?.value as Digest | undefined);
  if (known !== undefined && (await store.has(known))) {
    const bytes = await store.readIndex(known);
    const index = bytes && decodeIndex(bytes);
    if (index) return index.draft;
  }
  if (!(await looksLikeTar(file, shop))) return undefined;
  const { digest, draft } = await keepTar(contentOf(file, shop), printable(nameOf(file.path)), store, task);
  if (memo) shop.remember({ key: memo, value: digest });
  return draft;
}

/** Whether the first block, unpacked if need be, has the checksum of a tar header, as docker decides. */
async function looksLikeTar(file: FileEntry, shop: Workshop): Promise<boolean> {
  if (file.size < 20) return false;
  const head: Buffer[] = [];
  let length = 0;
  try {
    const { bytes } = await decompress(contentOf(file, shop));
    for await (const chunk of bytes) {
      head.push(Buffer.from(chunk));
      length += chunk.length;
      if (length >= 512) break;
    }
  } catch (error) {
    if (error instanceof Failure && (error.code === "COMPRESSION" || error.code === "LIMIT")) return false;
    throw error;
  }
  const block = Buffer.concat(head).subarray(0, 512);
  if (block.length < 512) return false;
  const claimed = Number.parseInt(
    block
      .toString("latin1", 148, 156)
      .replace(/[\0 ]+/g, " ")
      .trim(),
    8,
  );
  let sum = 8 * 32;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += block[at] as number;
  return claimed === sum;
}

/**
 * Unpacks an archive's entries below the destination, which becomes a directory, as docker does: members keep mode, owner, times and
 * xattrs; --chown counts for members and for the destination if it is made; --chmod for neither.
 */
export function placeArchive(draft: DraftBuilder, archive: Draft, how: Placing): void {
  const root = draft.mkdirAll(toPath(how.dest), how.owner ?? ROOT_OWNER);
  // Hard links last: in canonical order one may stand before the file that it names.
  const members = [...archive.filter((entry) => entry.kind !== "hardlink"), ...archive.filter((entry) => entry.kind === "hardlink")];
  for (const entry of members) {
    if (entry.path === ROOT) continue;
    const parent = draft.mkdirAll(below(root, parentOf(entry.path)), ROOT_OWNER);
    const path = join(parent, nameOf(entry.path));
    const facts = {
      path,
      uid: how.owner?.uid ?? entry.uid,
      gid: how.owner?.gid ?? entry.gid,
      mtime: how.time(entry.mtime),
      mode: entry.kind === "symlink" ? 0o777 : entry.mode,
    };
    if (entry.kind !== "hardlink") {
      const there = draft.get(path);
      const opaque = entry.kind === "dir" && there !== undefined && there.kind !== "dir" ? { opaque: true } : {};
      draft.put({ ...entry, ...facts, ...opaque } as Entry);
      continue;
    }
    // All names of a file share what the last header said of it.
    const target = draft.resolve(below(root, entry.target), true);
    const first = draft.get(target);
    if (first?.kind === "symlink") draft.put({ ...first, path });
    else if (first?.kind === "file") {
      draft.put({ ...first, ...facts, path: target });
      draft.put({ ...entry, ...facts, target });
    } else throw new Failure("TAR", `invalid hardlink target ${printable(entry.target)} of ${printable(entry.path)}`);
  }
}

const ROOT_OWNER = { uid: 0, gid: 0 };

function below(root: Path, path: Path): Path {
  return toPath(`${root}${path}`);
}
