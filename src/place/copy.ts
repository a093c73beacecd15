import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { BytesReader, BytesWriter, Rereadable } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import { type ChooseChildren, isForeign, readDocuments } from "./documents.ts";
import { bySize } from "./lanes.ts";

/** Bytes between two reports. */
const REPORT = 4 << 20;

/** What copying came to; bytes that were there already are not counted. */
export interface Copied {
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Copies an image, or an index with all it lists, from one place to another: layers and configs first, then the manifests,
 * then the indexes, so that a place never holds a document whose parts are missing. What is there is skipped, everything else
 * verified on the way. Names are the caller's business (`publish`). With `choose` only these children of an index come along, and the
 * index itself, which then lists more than there is. Throws what reading, verifying and writing throw.
 */
export async function copyImage(
  from: BytesReader,
  to: BytesReader & BytesWriter,
  root: Descriptor,
  task: Task,
  choose: ChooseChildren = (index) => index.manifests,
): Promise<Copied> {
  const documents = await readDocuments(from, root, false, task, choose);
  const read = new Set(documents.map((one) => one.descriptor.digest));
  const parts = new Map<Digest, Descriptor>();
  for (const document of documents) {
    if (document.kind === "manifest") {
      for (const part of [document.manifest.config, ...document.manifest.layers]) parts.set(part.digest, part);
    } else {
      // Children that are neither manifest nor index are blobs like any other.
      for (const child of choose(document.index, document.descriptor)) if (!read.has(child.digest)) parts.set(child.digest, child);
    }
  }
  let blobs = 0;
  let bytes = 0;
  const count = (size: number) => {
    blobs++;
    bytes += size;
  };
  await bySize(
    [...parts.values()],
    ({ size }) => size,
    async (part) => {
      if (await to.has(part.digest)) return;
      if (await copyBlob(from, to, part, task)) count(part.size);
    },
  );
  for (const document of documents) {
    if (await to.has(document.descriptor.digest, document.descriptor.mediaType)) continue;
    await to.put(document.bytes, document.descriptor);
    count(document.descriptor.size);
  }
  return { blobs, bytes };
}

/** Copies one blob. False for a layer that is elsewhere by design (`urls`) and not here: it is never fetched from there. */
async function copyBlob(from: BytesReader, to: BytesWriter, part: Descriptor, task: Task): Promise<boolean> {
  if (isForeign(part) && !(await from.has(part.digest))) return false;
  try {
    await copyOnce(from, to, part, task);
  } catch (error) {
    // What was spoiled on the way may come whole the second time.
    if (!(error instanceof Failure) || error.code !== "DIGEST" || task.signal.aborted) throw error;
    task.emit({ type: "note", text: `${error.message}; trying once more` });
    await copyOnce(from, to, part, task, true);
  }
  return true;
}

/** With `both` either side looks at the digest, so that a place finds out what it holds damaged; else the target alone: once is enough. */
async function copyOnce(from: BytesReader, to: BytesWriter, part: Descriptor, task: Task, both = false): Promise<void> {
  await using source = await from.open(part);
  const unverified = both ? undefined : source.unverified;
  const piecesFrom = (offset: number) => reporting(unverified?.(offset) ?? source.read(offset), part, offset, task);
  const bytes: Rereadable = {
    verified: unverified === undefined,
    [Symbol.asyncIterator]: () => piecesFrom(0)[Symbol.asyncIterator](),
    from: piecesFrom,
  };
  await to.put(bytes, part);
}

/** Passes chunks through, tells how far it is, and stops when the task does. */
async function* reporting(chunks: AsyncIterable<Uint8Array>, part: Descriptor, from: number, task: Task): AsyncGenerator<Uint8Array> {
  let done = from;
  let told = from;
  const tell = () => task.emit({ type: "bytes", id: part.digest, label: part.digest, done, total: part.size });
  for await (const chunk of chunks) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `${part.digest}: interrupted`);
    yield chunk;
    done += chunk.length;
    if (done - told < REPORT) continue;
    told = done;
    tell();
  }
  tell();
}
