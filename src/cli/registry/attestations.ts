import { attestationEntry, isAttestation, REFERENCE_DIGEST } from "../../attest/docker-style.ts";
import { retarget } from "../../attest/retarget.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";

/**
 * Entries of an index whose images were packed, with docker's attestations among them following: each speaks of the image as it is now.
 * `became` has what packing changed. One that cannot follow keeps its place and its words, and that is told.
 */
export async function followPacking(
  store: ContentStore,
  manifests: readonly Descriptor[],
  became: ReadonlyMap<Digest, Descriptor>,
  task: Task,
): Promise<readonly Descriptor[]> {
  const entries: Descriptor[] = [];
  for (const entry of manifests) {
    const before = entry.annotations?.[REFERENCE_DIGEST] as Digest | undefined;
    const now = before === undefined ? undefined : became.get(before);
    if (!isAttestation(entry) || before === undefined || now === undefined) {
      entries.push(entry);
      continue;
    }
    const made = await retarget(store, entry, before, now);
    if (made) {
      for (const { bytes } of [...made.blobs, made.manifest]) await store.put(bytes);
      entries.push(attestationEntry(made.descriptor, now));
    } else {
      task.emit({ type: "note", text: `the attestation ${entry.digest} is about ${before}, which goes packed as ${now.digest}` });
      entries.push(entry);
    }
  }
  return entries;
}
