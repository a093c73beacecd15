import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, hexOf, isDigest } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { stringMap } from "../oci/subject.ts";
import type { Task } from "../task/task.ts";
import { Refusal } from "./answer.ts";
import { type Asked, getManifest, putManifest } from "./manifests.ts";
import { pages } from "./pages.ts";

/** The tag under which referrers are kept where a registry has no list of its own. Distribution spec 1.1, "Referrers Tag Schema". */
export function fallbackTag(subject: Digest): string {
  return `sha256-${hexOf(subject)}`;
}

/** All that refers to `subject`, of one artifact type or any. An empty list where there is nothing, or no such repository. */
export async function listReferrers(
  asked: Asked,
  subject: Digest,
  artifactType: string | undefined,
  task: Task,
): Promise<readonly Descriptor[]> {
  const { client, repository, rights } = asked;
  const what = `referrers of ${repository}@${subject}`;
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found: Descriptor[] = [];
  try {
    for await (const page of pages(client, `/v2/${repository}/referrers/${subject}${query}`, rights, MEDIA.index, what, task)) {
      found.push(...entries(page.body, what));
      if (found.length > LIMITS.listEntries) throw new Failure("LIMIT", `${what}: more than ${LIMITS.listEntries}`);
    }
  } catch (error) {
    if (!(error instanceof Refusal) || ![400, 404, 405, 501].includes(error.status)) throw error;
    const held = await getManifest(asked, fallbackTag(subject), task);
    if (held) found.push(...entries(held.bytes, what));
  }
  return artifactType === undefined ? found : found.filter((one) => one.artifactType === artifactType);
}

/** Enters a manifest into the fallback list of its subject, as clients must where the registry does not keep one. */
export async function enterReferrer(asked: Asked, subject: Digest, entry: Descriptor, task: Task): Promise<void> {
  const before = await getManifest(asked, fallbackTag(subject), task);
  const others = before ? entries(before.bytes, `referrers of ${subject}`) : [];
  if (others.some((one) => one.digest === entry.digest)) return;
  const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [...others, entry] };
  const bytes = Buffer.from(JSON.stringify(index));
  await putManifest(
    asked,
    fallbackTag(subject),
    { bytes, descriptor: { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length } },
    task,
  );
}

/** The descriptors of an index from outside, each checked. */
function entries(bytes: Uint8Array, what: string): Descriptor[] {
  let manifests: unknown;
  try {
    manifests = (JSON.parse(Buffer.from(bytes).toString("utf8")) as { manifests?: unknown } | null)?.manifests;
  } catch (cause) {
    throw new Failure("MANIFEST", `${what}: the registry's list is not JSON`, { cause });
  }
  if (!Array.isArray(manifests)) throw new Failure("MANIFEST", `${what}: the registry's list has no manifests`);
  if (manifests.length > LIMITS.indexEntries)
    throw new Failure("LIMIT", `${what}: ${manifests.length} entries; ${LIMITS.indexEntries} are accepted`);
  return manifests.map((one: Record<string, unknown> | null) => {
    const { mediaType, digest, size, artifactType } = one ?? {};
    if (typeof mediaType !== "string" || !isDigest(digest) || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
      throw new Failure("MANIFEST", `${what}: an entry is no descriptor: ${printable(JSON.stringify(one).slice(0, 200))}`);
    const annotations = stringMap(one?.["annotations"]);
    return {
      mediaType,
      digest,
      size,
      ...(typeof artifactType === "string" ? { artifactType } : {}),
      ...(annotations ? { annotations } : {}),
    };
  });
}
