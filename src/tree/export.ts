import { type TarHeader, type TarSink, TarWriter } from "../format/tar-write.ts";
import { assert, Failure } from "../kit/error.ts";
import type { Task } from "../task/task.ts";
import type { Entry } from "./entry.ts";
import { addressOf, type LayerFiles, readEntry } from "./read.ts";
import type { Tree } from "./tree.ts";

/**
 * Writes a merged tree as one tar, for `-o type=tar`: canonical order, owners, modes, devices and extended attributes as the image has
 * them, further names of a file as hard links, times to the nearest second (as Go rounds them). The same tree gives the same bytes.
 * BuildKit's tar exporter writes the same members in the same order. Throws what readEntry and the sink throw.
 */
export async function exportTar(tree: Tree, files: LayerFiles, sink: TarSink, task: Task): Promise<void> {
  const tar = new TarWriter(sink);
  await members(tar, tree, files, "", task);
  await tar.end();
}

/** Several trees in one tar, each in a folder of its own. Throws as exportTar does. */
export async function exportTrees(
  trees: readonly { readonly folder: string; readonly tree: Tree }[],
  files: LayerFiles,
  sink: TarSink,
  task: Task,
): Promise<void> {
  const tar = new TarWriter(sink);
  for (const { folder, tree } of trees) {
    await tar.header({ type: "dir", path: `${folder}/`, mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0 });
    await members(tar, tree, files, `${folder}/`, task);
  }
  await tar.end();
}

async function members(tar: TarWriter, tree: Tree, files: LayerFiles, prefix: string, task: Task): Promise<void> {
  const names = new Map<string, string>();
  const target = {
    async room(wanted: number) {
      if (tar.room === 0) await tar.flush();
      return { buffer: tar.buffer, at: tar.used, length: Math.min(wanted, tar.room) };
    },
    take(length: number) {
      tar.used += length;
    },
  };
  let done = 0;
  for (const entry of tree.walk()) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while writing a tar");
    if (entry.path === "/") continue;
    const address = entry.kind === "file" ? addressOf(entry) : undefined;
    const first = address && names.get(address);
    await tar.header(headerOf(entry, first, prefix));
    if (entry.kind === "file" && first === undefined) {
      if (address) names.set(address, prefix + entry.path.slice(1));
      await readEntry(entry, files, target);
      tar.pad();
    }
    if (++done % 1000 === 0) task.emit({ type: "bytes", id: "export", label: "writing files", done, total: tree.size });
  }
}

function headerOf(entry: Entry, first: string | undefined, prefix: string): TarHeader {
  const path = prefix + entry.path.slice(1);
  const { mode, uid, gid, xattrs } = entry;
  const facts = { mode, uid, gid, mtime: Math.round(entry.mtime), size: 0, ...(xattrs ? { xattrs } : {}) };
  switch (entry.kind) {
    case "file":
      return first === undefined ? { ...facts, type: "file", path, size: entry.size } : { ...facts, type: "hardlink", path, link: first };
    case "dir":
      return { ...facts, type: "dir", path: `${path}/` };
    case "symlink":
      return { ...facts, type: "symlink", path, link: entry.target };
    case "char":
    case "block":
      return { ...facts, type: entry.kind, path, major: entry.major, minor: entry.minor };
    case "fifo":
      return { ...facts, type: "fifo", path };
    default:
      assert(false, `a merged tree has no ${entry.kind}`);
  }
}
