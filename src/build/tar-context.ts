import { closeSync, createReadStream, statSync } from "node:fs";
import { decompress } from "../format/decompress.ts";
import { decodeIndex, encodeIndex } from "../image/index.ts";
import { indexLayer } from "../image/index-layer.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { hasher } from "../oci/digest.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { readExactly } from "../tree/content.ts";
import type { FileEntry } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import type { OpenInput } from "./input.ts";

/** A tar archive as a context: kept in the store as a plain tar, so that its files have addresses there. */
export async function openTar(
  path: string,
  store: ContentStore,
  task: Task,
): Promise<OpenInput & { read(entry: FileEntry): Promise<Uint8Array> }> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw new Failure("CONTEXT", `the context ${printable(path)} is not a regular file`);
  const writer = store.writer();
  try {
    const { bytes } = await decompress(createReadStream(path, { highWaterMark: 256 << 10 }));
    const whole = hasher();
    const through = async function* () {
      for await (const chunk of bytes) {
        whole.update(chunk);
        await writer.write(chunk);
        yield chunk;
      }
    };
    const { diffId, draft } = await indexLayer(through(), {}, task);
    await writer.commit(whole.digest());
    const index = encodeIndex(draft, diffId);
    await store.writeIndex(diffId, index);
    const tree = mergeTree([decodeIndex(index)?.draft ?? draft]);
    return {
      origin: "context",
      identity: diffId,
      tree: async () => tree,
      async read(entry) {
        if (entry.content.in !== "layer") throw new Error("internal: an archive's file lies in its archive");
        const fd = store.openFile(entry.content.diffId);
        try {
          const out = Buffer.allocUnsafe(entry.size);
          readExactly(fd, out, 0, entry.size, entry.content.offset, entry.path);
          return out;
        } finally {
          closeSync(fd);
        }
      },
    };
  } catch (error) {
    writer.abort();
    throw error;
  }
}
