import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import type { Digest } from "../oci/digest.ts";
import { openHostFile, stillTheSame } from "../tree/content.ts";
import type { Entry, FileEntry, LayerAddress } from "../tree/entry.ts";
import type { Tree } from "../tree/tree.ts";
import type { Ledger } from "./ledger.ts";

/** Something that COPY and ADD can take files from, opened. */
export interface OpenInput {
  /** Context files lose their owners and, with SOURCE_DATE_EPOCH, their times; files of images keep them. */
  readonly origin: "context" | "image";
  /** Digest of all that it holds, where that is known without looking: a chainID. Host folders have none. */
  readonly identity?: Digest;
  /** A host folder, and what is known of its files from earlier builds. */
  readonly folder?: string;
  readonly ledger?: Ledger;
  tree(): Promise<Tree>;
}

/** Digests of host files, by the path that they have in their context: from the ledger, or from reading them in this build. */
export class HostDigests {
  readonly #input: OpenInput;
  readonly #read = new Map<string, Digest>();

  constructor(input: OpenInput) {
    this.#input = input;
  }

  /** The digest of a file's content, or undefined where it would have to be read. The entry's own path may be its destination. */
  find(entry: Entry): Digest | undefined {
    if (entry.kind !== "file") return undefined;
    const { content } = entry;
    if (entry.digest !== undefined || content.in !== "host") return entry.digest;
    const { folder, ledger } = this.#input;
    if (folder === undefined || !content.path.startsWith(folder)) return undefined;
    const path = content.path.slice(folder.length);
    return this.#read.get(path) ?? ledger?.find(path, content.stamp)?.digest;
  }

  /**
   * Keeps what reading a file gave, and where its bytes lie now, if it is a file of this input. `readAt` is the clock in ms before it
   * was read.
   */
  learn(content: FileEntry["content"], digest: Digest, readAt: number, copy?: LayerAddress): boolean {
    const { folder, ledger } = this.#input;
    if (content.in !== "host" || folder === undefined || !content.path.startsWith(folder)) return false;
    const path = content.path.slice(folder.length);
    this.#read.set(path, digest);
    ledger?.learn(path, content.stamp, digest, readAt, copy);
    return true;
  }

  /** Reads a file for its digest alone. Throws CHANGED. */
  hash(entry: FileEntry): Digest {
    const { content } = entry;
    if (content.in !== "host") throw new Error("internal: only host files are hashed by reading");
    const readAt = Date.now();
    const fd = openHostFile(content);
    try {
      const hash = createHash("sha256");
      for (;;) {
        const read = readSync(fd, CHUNK, 0, CHUNK.length, null);
        if (read === 0) break;
        hash.update(CHUNK.subarray(0, read));
      }
      stillTheSame(fd, content);
      const digest = `sha256:${hash.digest("hex")}` as Digest;
      this.learn(content, digest, readAt);
      return digest;
    } finally {
      closeSync(fd);
    }
  }
}

const CHUNK = Buffer.allocUnsafeSlow(256 << 10);
