import { closeSync, createReadStream, statSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { readLayer } from "../tree/content.ts";
import type { FileEntry } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import type { OpenInput } from "./input.ts";
import { keepTar } from "./keep-tar.ts";

/** An opened archive. */
export interface TarInput extends OpenInput {
  /** The whole content of a small file in it. */
  read(entry: FileEntry): Promise<Uint8Array>;
}

/** A tar archive as a context, kept in the store as a plain tar. Throws CONTEXT, and what keepTar throws. */
export async function openTar(path: string, store: ContentStore, task: Task): Promise<TarInput> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw new Failure("CONTEXT", `the context ${printable(path)} is not a regular file`);
  const { digest, draft } = await keepTar(createReadStream(path, { highWaterMark: 256 << 10 }), "the context", store, task);
  const tree = mergeTree([draft]);
  return {
    origin: "context",
    identity: digest,
    tree: async () => tree,
    async read({ content, size }) {
      if (content.in !== "layer") throw new Error("internal: an archive's file lies in its archive");
      const fd = store.openFile(content.diffId);
      try {
        const out = Buffer.allocUnsafe(size);
        readLayer(fd, out, 0, size, content.offset, content.diffId);
        return out;
      } finally {
        closeSync(fd);
      }
    },
  };
}
