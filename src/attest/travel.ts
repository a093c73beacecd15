import { parseIndex } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { isIndexType, isManifestType } from "../oci/media-type.ts";
import type { BytesReader, BytesWriter } from "../oci/place.ts";
import { subjectOf } from "../oci/subject.ts";
import { copyImage } from "../place/copy.ts";
import { readWhole } from "../place/documents.ts";
import type { Task } from "../task/task.ts";

/** Tells what refers to a manifest: a repository of a registry, the store, a layout. */
export interface ReferrersSource {
  referrers(subject: Digest): Promise<readonly Descriptor[]>;
}

/** An artifact and what it refers to. */
export interface Attached {
  readonly subject: Digest;
  readonly referrer: Descriptor;
}

/** The root, and for an index the manifests that it lists and that are there (of nested ones too): what may have referrers. */
export async function subjectsOf(from: BytesReader, root: Descriptor): Promise<readonly Descriptor[]> {
  const found = new Map<Digest, Descriptor>();
  const visit = async (what: Descriptor, depth: number): Promise<void> => {
    if (found.has(what.digest) || found.size > LIMITS.indexEntries) return;
    found.set(what.digest, what);
    if (!isIndexType(what.mediaType) || depth >= LIMITS.indexDepth) return;
    for (const child of parseIndex(await readWhole(from, what), what.digest, what.mediaType).manifests) {
      const known = isIndexType(child.mediaType) || isManifestType(child.mediaType);
      if (known && (await from.has(child.digest, child.mediaType))) await visit(child, depth + 1);
    }
  };
  await visit(root, 0);
  return [...found.values()];
}

/**
 * Everything that refers to these subjects, and to what refers to them, subjects before referrers. Each is told once. Throws LIMIT, and
 * what listing throws.
 */
export async function attachedTo(from: ReferrersSource, subjects: readonly Digest[]): Promise<readonly Attached[]> {
  const found = new Map<Digest, Attached>();
  const asked = new Set<Digest>();
  const waiting = [...subjects];
  for (let subject = waiting.shift(); subject !== undefined; subject = waiting.shift()) {
    if (asked.has(subject)) continue;
    asked.add(subject);
    for (const referrer of await from.referrers(subject)) {
      if (found.has(referrer.digest) || !(isManifestType(referrer.mediaType) || isIndexType(referrer.mediaType))) continue;
      found.set(referrer.digest, { subject, referrer });
      if (found.size > LIMITS.indexEntries)
        throw new Failure("LIMIT", `${subject}: more than ${LIMITS.indexEntries} artifacts refer to the image (limit indexEntries)`);
      waiting.push(referrer.digest);
    }
  }
  return [...found.values()];
}

/**
 * Copies what refers to an image and is there already, byte for byte; `entered` is told of each when all of it is at the target. The image
 * itself must be there. Throws what copying throws.
 */
export async function copyReferrers(
  from: BytesReader & ReferrersSource,
  to: BytesReader & BytesWriter,
  subjects: readonly Digest[],
  task: Task,
  entered: (attached: Attached) => Promise<void> = async () => {},
): Promise<readonly Attached[]> {
  const came: Attached[] = [];
  const strangers = new Set<Digest>();
  for (const one of await attachedTo(from, subjects)) {
    const { mediaType, digest, size } = one.referrer;
    const what = { mediaType, digest, size };
    if (strangers.has(one.subject) || !(await refersTo(from, what, one.subject, task))) {
      strangers.add(digest);
      continue;
    }
    await copyImage(from, to, what, task);
    await entered(one);
    came.push(one);
  }
  return came;
}

/**
 * Whether a manifest that is listed as a referrer says itself what it refers to: a list that a registry made proves nothing, and what comes
 * in under one image must not speak of another. Tells where it does not.
 */
export async function refersTo(from: BytesReader, referrer: Descriptor, subject: Digest, task: Task): Promise<boolean> {
  const own = subjectOf({ descriptor: referrer, bytes: await readWhole(from, referrer) })?.subject;
  if (own === subject) return true;
  task.emit({
    type: "note",
    text: `${referrer.digest} is listed as a referrer of ${subject}, but refers to ${own ?? "nothing"}: passed over`,
  });
  return false;
}

/** Which of the documents that a layout or archive lists refer to others. */
export async function referrersAmong(from: BytesReader, entries: readonly Descriptor[]): Promise<ReferrersSource> {
  const found = new Map<Digest, Descriptor[]>();
  for (const { mediaType, digest, size } of entries) {
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) continue;
    const descriptor = { mediaType, digest, size };
    const referring = subjectOf({ descriptor, bytes: await readWhole(from, descriptor) });
    if (referring) found.set(referring.subject, [...(found.get(referring.subject) ?? []), referring.entry]);
  }
  return { referrers: async (subject) => found.get(subject) ?? [] };
}
