import type { Artifact } from "../../attest/artifact.ts";
import { retarget } from "../../attest/retarget.ts";
import { type ReferrersSource, refersTo, subjectsOf } from "../../attest/travel.ts";
import { parseIndex } from "../../image/documents.ts";
import { LIMITS } from "../../kit/limit.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { isIndexType } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import { copyImage } from "../../place/copy.ts";
import { readWhole } from "../../place/documents.ts";
import type { Repository } from "../../registry/face.ts";
import type { Task } from "../../task/task.ts";

/** Where an image is read that may have referrers. */
export type AttestedSource = BytesReader & ReferrersSource;

/**
 * Brings what refers to an image into a registry that has the image already: `root` where it comes from, `packed` as the registry has it.
 * Where packing made another manifest of it, unsigned statements are written for that one; what is signed stays behind, and that is told.
 * What the registry lists already is not sent again. The result is how many came. Throws what reading, listing and pushing throw.
 */
export async function sendReferrers(
  from: AttestedSource,
  to: Repository,
  root: Descriptor,
  packed: Descriptor,
  task: Task,
): Promise<number> {
  const waiting = await pairsOf(from, root, packed);
  const seen = new Set<Digest>();
  let sent = 0;
  for (let pair = waiting.shift(); pair !== undefined && seen.size < LIMITS.indexEntries; pair = waiting.shift()) {
    const [before, now] = pair;
    const mine = (await from.referrers(before.digest)).filter((one) => !seen.has(one.digest));
    if (mine.length === 0) continue;
    const listed = new Set((await to.referrers(now.digest)).map((one) => one.digest));
    for (const { mediaType, digest, size } of mine) {
      seen.add(digest);
      const referrer = { mediaType, digest, size };
      if (!(await refersTo(from, referrer, before.digest, task))) continue;
      if (before.digest === now.digest) {
        if (!listed.has(digest)) sent += await sendAsItIs(from, to, referrer, task);
        waiting.push([referrer, referrer]);
        continue;
      }
      const made = await retarget(from, referrer, before.digest, now);
      if (made === undefined) {
        task.emit({ type: "note", text: `${digest} refers to ${before.digest}, which went packed as ${now.digest}: it stays behind` });
        continue;
      }
      if (!listed.has(made.descriptor.digest)) sent += await sendArtifact(to, made);
      waiting.push([referrer, made.manifest.descriptor]);
    }
  }
  return sent;
}

/** Puts an artifact into a registry; the registry, or the fallback list, then names it among the referrers of its subject. */
export async function sendArtifact(to: Repository, { blobs, manifest }: Artifact): Promise<1> {
  for (const { descriptor, bytes } of blobs) if (!(await to.has(descriptor.digest))) await to.put(bytes, descriptor);
  await to.put(manifest.bytes, manifest.descriptor);
  return 1;
}

async function sendAsItIs(from: BytesReader, to: Repository, referrer: Descriptor, task: Task): Promise<1> {
  const there = await to.has(referrer.digest, referrer.mediaType);
  await copyImage(from, to, referrer, task);
  // It is there and not listed: an earlier push ended between the two.
  if (there) await to.put(await readWhole(from, referrer), referrer);
  return 1;
}

/** Manifests that may have referrers, each with what it became: an index keeps the order of its entries when it is packed. */
async function pairsOf(from: BytesReader, root: Descriptor, packed: Descriptor): Promise<[Descriptor, Descriptor][]> {
  if (root.digest === packed.digest) return (await subjectsOf(from, root)).map((one) => [one, one]);
  const pairs: [Descriptor, Descriptor][] = [[root, packed]];
  if (!isIndexType(root.mediaType)) return pairs;
  const read = async (what: Descriptor) => parseIndex(await readWhole(from, what), what.digest, what.mediaType).manifests;
  const [before, now] = [await read(root), await read(packed)];
  for (const [at, child] of before.entries()) {
    const became = now[at];
    if (became && (await from.has(child.digest, child.mediaType))) pairs.push(...(await pairsOf(from, child, became)));
  }
  return pairs;
}
