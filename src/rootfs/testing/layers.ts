/** For tests of this room: layers whose tars are files in a folder, each an index beside it. */
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seal } from "../../image/seal.ts";
import type { Digest } from "../../oci/digest.ts";
import { hexOf } from "../../oci/digest.ts";
import { createTask } from "../../task/task.ts";
import type { Draft, FileEntry } from "../../tree/entry.ts";
import type { SourceLayer } from "../lowers.ts";

/** Sealed layers in a folder. */
export class Layers implements Disposable {
  readonly #dir: string;
  readonly #open = new Map<Digest, number>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  readonly files = async (diffId: Digest): Promise<number> => this.#fd(diffId);

  async seal(draft: Draft): Promise<SourceLayer> {
    const chunks: Buffer[] = [];
    const sealed = await seal(
      draft,
      this.files,
      {
        write: (chunk) => void chunks.push(Buffer.from(chunk)),
        writeLater: async (chunk) => void chunks.push(Buffer.from(chunk)),
        commit: async (digest) => {
          const tar = Buffer.concat(chunks);
          writeFileSync(join(this.#dir, hexOf(digest)), tar);
          return { digest, size: tar.length };
        },
        abort: () => {},
      },
      createTask(),
    );
    return { diffId: sealed.layer.diffId, draft: sealed.draft };
  }

  read(file: FileEntry): Buffer {
    if (file.content.in === "memory") return Buffer.from(file.content.bytes);
    if (file.content.in !== "layer") throw new Error("not in a layer");
    const bytes = Buffer.alloc(file.size);
    if (file.size > 0) readSync(this.#fd(file.content.diffId), bytes, 0, file.size, file.content.offset);
    return bytes;
  }

  #fd(diffId: Digest): number {
    const fd = this.#open.get(diffId) ?? openSync(join(this.#dir, hexOf(diffId)), "r");
    this.#open.set(diffId, fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
  }
}
