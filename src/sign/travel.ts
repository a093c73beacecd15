import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { hexOf } from "../oci/digest.ts";
import { copyImage } from "../place/copy.ts";
import { readWhole } from "../place/documents.ts";
import type { Repository } from "../registry/face.ts";
import type { Task } from "../task/task.ts";
import { attachClassic } from "./attach.ts";
import { type Kind, readClassic } from "./find.ts";
import { classicTag } from "./media.ts";

const KINDS: readonly Kind[] = ["signature", "attestation"];

/**
 * Brings classic signatures and attestations of manifests from one repository into another that has the manifests: they lie under tags, so
 * no list of referrers names them. What is there already stays. Gives how many lists came or grew. Throws what reading and pushing throw.
 */
export async function copyClassic(from: Repository, to: Repository, subjects: readonly Descriptor[], task: Task): Promise<number> {
  let count = 0;
  for (const subject of subjects) {
    for (const kind of KINDS) {
      const theirs = await readClassic(from, subject.digest, kind, task);
      if (!theirs) continue;
      const ours = await readClassic(to, subject.digest, kind, task);
      if (ours?.root.digest === theirs.root.digest) continue;
      if (!ours) {
        await copyImage(from, to, theirs.root, task);
        const tag = classicTag(hexOf(subject.digest), kind === "signature" ? "sig" : "att");
        await to.publish({ ...to.name, tag }, theirs.root, task);
        count++;
        continue;
      }
      const told = (layer: Descriptor) => JSON.stringify([layer.digest, layer.annotations]);
      const known = new Set(ours.manifest.layers.map(told));
      const missing = theirs.manifest.layers.filter((layer) => !known.has(told(layer)));
      for (const layer of missing) {
        const bytes = await readWhole(from, layer, kind === "signature" ? LIMITS.payloadBytes : 2 * LIMITS.statementBytes);
        await attachClassic(to, subject, kind, { mediaType: layer.mediaType, bytes, annotations: layer.annotations ?? {} }, task);
      }
      if (missing.length > 0) count++;
    }
  }
  return count;
}
