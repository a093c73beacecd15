import { encodeIndex } from "../image/index.ts";
import { indexLayer } from "../image/index-layer.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Digest } from "../oci/digest.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";

/** An archive whose plain tar is in the store under `digest`. */
export interface KeptTar {
  readonly digest: Digest;
  readonly draft: Draft;
}

/**
 * Reads a tar archive, compressed or not, in one pass: the plain tar becomes a blob of the store, so that its files have addresses there,
 * and its index is kept. Throws TAR, COMPRESSION, LIMIT, and CONTEXT for names that would mean a deletion. `label` names it in messages.
 */
export async function keepTar(source: AsyncIterable<Uint8Array>, label: string, store: ContentStore, task: Task): Promise<KeptTar> {
  const writer = store.writer();
  try {
    const { diffId, draft } = await indexLayer(source, { label, take: (chunk) => writer.write(chunk) }, task);
    refuseDeletions(draft, label);
    await writer.commit(diffId);
    await store.writeIndex(diffId, encodeIndex(draft, diffId));
    return { digest: diffId, draft };
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** Archives of files hold no deletions: what looks like one is a file that no layer can hold. Throws CONTEXT. */
function refuseDeletions(draft: Draft, label: string): void {
  const found = draft.find((entry) => entry.kind === "whiteout" || (entry.kind === "dir" && entry.opaque));
  if (!found) return;
  throw new Failure("CONTEXT", `${label}: ${printable(found.path)} is marked as deleted (.wh.): layers cannot be unpacked like archives`, {
    hint: "Names that begin with .wh. mean deletions in layers; no file of an image can have one.",
  });
}
