import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import type { Layer } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import type { Digest } from "../oci/digest.ts";
import { openHostFile, readExactly, stillTheSame } from "../tree/content.ts";
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
  /** Of a stage or an image, for what is mounted. */
  readonly layers?: readonly Layer[];
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
    const path = this.#pathOf(content.path);
    return path === undefined ? undefined : (this.#read.get(path) ?? this.#input.ledger?.find(path, content.stamp)?.digest);
  }

  /** Whether a file whose digest is not known was probably changed since the last build (see Ledger). */
  probablyChanged(entry: Entry): boolean {
    if (entry.kind !== "file" || entry.content.in !== "host" || this.find(entry) !== undefined) return false;
    const path = this.#pathOf(entry.content.path);
    return path !== undefined && (this.#input.ledger?.probablyChanged(path, entry.content.stamp) ?? false);
  }

  /**
   * Keeps what reading a file gave, and where its bytes lie now, if it is a file of this input. `readAt` is the clock in ms before it
   * was read.
   */
  learn(content: FileEntry["content"], digest: Digest, readAt: number, copy?: LayerAddress): boolean {
    const path = content.in === "host" ? this.#pathOf(content.path) : undefined;
    if (content.in !== "host" || path === undefined) return false;
    this.#read.set(path, digest);
    this.#input.ledger?.learn(path, content.stamp, digest, readAt, copy);
    return true;
  }

  /** Reads a file for its digest alone. Throws CHANGED, CONTEXT, STORAGE, INTERRUPTED. */
  async hash(entry: FileEntry, signal: AbortSignal): Promise<Digest> {
    const { content, size } = entry;
    if (content.in !== "host") throw new Error("internal: only host files are hashed by reading");
    const readAt = Date.now();
    const fd = openHostFile(content);
    try {
      const hash = createHash("sha256");
      for (let done = 0; done < size; ) {
        const length = Math.min(CHUNK.length, size - done);
        readExactly(fd, CHUNK, 0, length, done, content.path);
        hash.update(CHUNK.subarray(0, length));
        done += length;
        if (done % TURN === 0) await turn(signal);
      }
      stillTheSame(fd, content);
      const digest = `sha256:${hash.digest("hex")}` as Digest;
      this.learn(content, digest, readAt);
      return digest;
    } finally {
      closeSync(fd);
    }
  }

  /** The path that a file of the host has in this input, if it lies there. */
  #pathOf(file: string): string | undefined {
    const { folder } = this.#input;
    if (folder === undefined || !file.startsWith(folder) || file[folder.length] !== "/") return undefined;
    return file.slice(folder.length);
  }
}

/** Used between two turns of the loop only. */
const CHUNK = Buffer.allocUnsafeSlow(256 << 10);
/** Bytes read between two looks at whether the build was interrupted: a signal is heard only while nothing is read. */
export const TURN = 64 << 20;

/** Lets signals come in. Throws INTERRUPTED where one did. */
export async function turn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal.aborted) throw new Failure("INTERRUPTED", "interrupted while reading the context");
}
