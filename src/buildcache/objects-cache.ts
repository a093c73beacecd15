import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import type { BytesReader } from "../oci/place.ts";
import { forget, readBody } from "../registry/answer.ts";
import { remoteBytes } from "../registry/download.ts";
import type { Task } from "../task/task.ts";
import { encodeCacheConfig, layersOf, parseCacheConfig } from "./cache-config.ts";
import type { CachePlace, TravelRecord } from "./face.ts";
import { inLanes } from "./lanes.ts";

/** Bytes of an object that is being written, and what is known of them. */
export interface ObjectBytes {
  readonly digest: Digest;
  readonly size: number;
  /** From the beginning, as often as it is asked for. */
  open(): Promise<Uint8Array | AsyncIterable<Uint8Array>>;
}

/** A service that keeps objects by name, as a build cache uses it: blobs that never change, and documents. */
export interface CacheObjects {
  readonly shown: string;
  readonly retryMs: number;
  hasBlob(digest: Digest, task: Task): Promise<boolean>;
  /** Status 200 or 206. Throws NOT_FOUND. */
  getBlob(digest: Digest, headers: Readonly<Record<string, string>>, task: Task): Promise<IncomingMessage>;
  putBlob(bytes: ObjectBytes, task: Task): Promise<void>;
  /** All documents that are to be read, the best first; those that are not there are left out. */
  documents(task: Task): Promise<readonly IncomingMessage[]>;
  putDocument(bytes: ObjectBytes, task: Task): Promise<void>;
  close(): void;
}

/**
 * A cache in a service that keeps objects, as BuildKit's `s3` and `gha` have it: each blob under its digest, and the cache configuration,
 * which says of each layer what a manifest says elsewhere.
 */
export function objectsCache(objects: CacheObjects): CachePlace {
  return {
    shown: objects.shown,
    async read(task) {
      const answers = await objects.documents(task);
      if (answers.length === 0) return undefined;
      const records: TravelRecord[] = [];
      for (const answer of answers) {
        const bytes = await readBody(answer, LIMITS.configBytes, objects.shown);
        records.push(...parseCacheConfig(bytes, objects.shown));
      }
      return { records, blobs: readerOf(objects, task) };
    },
    async write(records, from, task) {
      await inLanes(layersOf(records), async ({ blob }) => {
        if (!(await objects.hasBlob(blob.digest, task))) await sendBlob(blob, from, objects, task);
      });
      const document = encodeCacheConfig(records);
      await objects.putDocument({ digest: digestOf(document), size: document.length, open: async () => document }, task);
    },
    async [Symbol.asyncDispose]() {
      objects.close();
    },
  };
}

function readerOf(objects: CacheObjects, task: Task): BytesReader {
  return {
    has: (digest) => objects.hasBlob(digest, task),
    async open(what) {
      const get = (headers: Readonly<Record<string, string>>) => objects.getBlob(what.digest, headers, task);
      return remoteBytes(what, get, await get({}), objects.retryMs, task);
    },
  };
}

async function sendBlob(blob: Descriptor, from: BytesReader, objects: CacheObjects, task: Task): Promise<void> {
  const { digest, size } = blob;
  await objects.putBlob({ digest, size, open: async () => reading(blob, from, task) }, task);
}

/** The bytes of a blob, verified, and told of. */
async function* reading(blob: Descriptor, from: BytesReader, task: Task): AsyncGenerator<Uint8Array> {
  await using source = await from.open(blob);
  let done = 0;
  for await (const chunk of source.read()) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `${blob.digest}: interrupted`);
    yield chunk;
    done += chunk.length;
    task.emit({ type: "bytes", id: blob.digest, label: blob.digest, done, total: blob.size });
  }
}

/** Reads and forgets answers that say no more than their status. */
export async function done(answer: Promise<IncomingMessage>): Promise<void> {
  await forget(await answer);
}
