import { closeSync, fstatSync, openSync, renameSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { indexLayer } from "../image/index-layer.ts";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestFromHex, digestOf, hasher, hexOf } from "../oci/digest.ts";
import { openRegular, readDocument, readRange } from "../place/file-bytes.ts";
import { type ArchiveSource, openTar, type TarFile } from "../place/tar-file.ts";
import { removeTree } from "../rootfs/remove.ts";
import { type UnpackHow, unpackLayer } from "../rootfs/unpack.ts";
import type { Task } from "../task/task.ts";
import { ROOT } from "../tree/path.ts";
import { type ArchivedMount, decodeArchive, manifestIn } from "./archive.ts";
import type { CacheMountStore } from "./mount.ts";
import { createSlot, freeName, mountsFolder, slotsIn, usersOf } from "./slot.ts";
import { locked, makeMountsFolder } from "./take.ts";

/** What became of a mount of an archive. */
export interface ImportedMount {
  readonly mount: ArchivedMount;
  /** `kept`: a mount of that kind was there, and nobody asked to replace it. `busy`: it should have been replaced and is in use. */
  readonly outcome: "made" | "replaced" | "kept" | "busy";
}

/** The files of an archive. */
interface Archive extends Disposable {
  document(name: string, limit: number): Promise<Buffer>;
  /** An open file of exactly these bytes, verified; the caller closes it. */
  blob(what: { readonly digest: Digest; readonly size: number }): Promise<number>;
}

/**
 * Takes cache mounts out of an archive that exportCacheMounts wrote, a folder or a tar (also compressed). Everything is verified before it
 * gets its place; devices are left out. Throws MANIFEST, DIGEST, TAR, LIMIT, NOT_FOUND, STORAGE, NO_SPACE, SANDBOX.
 */
export async function importCacheMounts(
  store: CacheMountStore,
  source: ArchiveSource,
  replace: boolean,
  how: UnpackHow,
  task: Task,
): Promise<ImportedMount[]> {
  await store.temporary();
  const folder = mountsFolder(store.dir);
  makeMountsFolder(folder);
  const label = "path" in source ? source.path : "standard input";
  using archive = await openArchive(source, () => store.temporary(), task);
  const root = manifestIn(await archive.document("index.json", LIMITS.manifestBytes), label);
  const manifest = await archive.document(`blobs/sha256/${hexOf(root.digest)}`, LIMITS.manifestBytes);
  if (digestOf(manifest) !== root.digest) throw new Failure("DIGEST", `${printable(label)}: its manifest is not what its index says`);
  const done: ImportedMount[] = [];
  for (const mount of decodeArchive(manifest, label))
    done.push({ mount, outcome: await importOne(folder, archive, mount, replace, how, task) });
  return done;
}

async function importOne(
  folder: string,
  archive: Archive,
  mount: ArchivedMount,
  replace: boolean,
  how: UnpackHow,
  task: Task,
): Promise<ImportedMount["outcome"]> {
  const key = digestFromHex(mount.key);
  if (!replace && slotsIn(folder, key).length > 0) return "kept";
  const half = join(folder, `half-${uniqueToken()}`);
  const gone: string[] = [];
  try {
    createSlot(half, mount.record);
    await unpack(archive, mount, join(half, "data"), how, task);
    return await locked(folder, () => {
      const there = slotsIn(folder, key);
      if (!replace && there.length > 0) return "kept";
      if (there.some((slot) => usersOf(slot).length > 0)) return "busy";
      for (const slot of there) {
        const aside = join(folder, `half-${uniqueToken()}`);
        renameSync(slot.dir, aside);
        gone.push(aside);
      }
      renameSync(half, join(folder, freeName(folder, key)));
      return there.length > 0 ? "replaced" : "made";
    });
  } catch (error) {
    throw storageFailure(error, "could not make a cache mount in", folder);
  } finally {
    for (const path of [half, ...gone]) removeTree(path);
  }
}

async function unpack(archive: Archive, { digest, size, root }: ArchivedMount, data: string, how: UnpackHow, task: Task): Promise<void> {
  const fd = await archive.blob({ digest, size });
  try {
    const { draft } = await indexLayer(readRange(fd, 0, fstatSync(fd).size), { diffId: digest, label: "cache mount" }, task);
    // A step makes no devices in a cache mount; who made such an archive means no good.
    const left = new Set(draft.filter(({ kind }) => kind === "char" || kind === "block" || kind === "whiteout").map(({ path }) => path));
    const plain = draft.filter((entry) => entry.path !== ROOT && !left.has(entry.kind === "hardlink" ? entry.target : entry.path));
    const top = { kind: "dir", path: ROOT, mtime: 0, ...root } as const;
    if (left.size > 0) task.emit({ type: "note", text: `${left.size} devices and whiteouts were left out of a cache mount` });
    await unpackLayer([top, ...plain], async () => fd, data, how, task);
  } finally {
    closeSync(fd);
  }
}

async function openArchive(source: ArchiveSource, temporary: () => Promise<string>, task: Task): Promise<Archive> {
  if ("path" in source && statSync(source.path, { throwIfNoEntry: false })?.isDirectory()) return folderArchive(source.path);
  return tarArchive(await openTar(source, temporary, task), temporary);
}

function folderArchive(folder: string): Archive {
  return {
    document: async (name, limit) => readDocument(join(folder, name), name, limit),
    blob: async ({ digest, size }) => {
      const open = openRegular(join(folder, "blobs/sha256", hexOf(digest)), `blob ${digest}`);
      if (open.size === size) return open.fd;
      closeSync(open.fd);
      throw new Failure("DIGEST", `blob ${digest} has ${open.size} bytes where ${size} are announced`);
    },
    [Symbol.dispose]() {},
  };
}

function tarArchive(tar: TarFile, temporary: () => Promise<string>): Archive {
  const find = (name: string) => {
    const member = tar.file(name);
    if (!member) throw new Failure("NOT_FOUND", `${printable(tar.label)} holds no ${name}`);
    return member;
  };
  return {
    document: (name, limit) => tar.read(find(name), limit),
    async blob({ digest, size }) {
      const member = find(`blobs/sha256/${hexOf(digest)}`);
      if (member.size !== size) throw new Failure("DIGEST", `blob ${digest} has ${member.size} bytes where ${size} are announced`);
      const path = await temporary();
      const hash = hasher();
      try {
        const fd = createPrivate(path);
        try {
          for await (const chunk of tar.stream(member)) {
            hash.update(chunk);
            writeFully(fd, chunk);
          }
        } finally {
          closeSync(fd);
        }
        if (hash.digest() !== digest) throw new Failure("DIGEST", `blob ${digest}: its bytes are damaged`);
        return openSync(path, "r");
      } catch (error) {
        throw storageFailure(error, "could not write", path);
      } finally {
        quietly(() => unlinkSync(path));
      }
    },
    [Symbol.dispose]: () => tar[Symbol.dispose](),
  };
}
