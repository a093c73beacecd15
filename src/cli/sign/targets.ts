import { parseIndex } from "../../image/documents.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isIndexType } from "../../oci/media-type.ts";
import { formatReference, type Reference } from "../../oci/reference.ts";
import { readWhole } from "../../place/documents.ts";
import type { Access, Repository } from "../../registry/face.ts";
import type { Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { openNamed } from "../registry/open.ts";
import { notThere } from "../registry/pull.ts";

/** An image in its registry. The caller closes the repository. */
export interface Target {
  readonly name: Reference;
  readonly place: Repository;
  readonly root: Descriptor;
  readonly task: Task;
}

/** Finds an image where signatures live. Throws NOT_FOUND, UNSUPPORTED for places that keep none, AUTH, NETWORK. */
export async function openTarget(call: Invocation, text: string, access: Access): Promise<Target> {
  const other = /^(?:oci|oci-archive|docker-archive|store|dir):/.exec(text);
  if (other) {
    throw new Failure("UNSUPPORTED", `${printable(text.slice(0, 200))}: signatures are kept in registries, beside the image they are for`, {
      hint: "Push the image first, then name it as it is called there.",
    });
  }
  const { name, place, task } = await openNamed(call, text, access);
  try {
    const root = await place.resolve(name, task);
    if (root) return { name, place, root, task };
    const { hint } = notThere("");
    throw new Failure("NOT_FOUND", `${formatReference(name)}: the registry has no such image`, {
      hint: access === "push" ? "What is signed is the manifest that a registry has: `nought push` the image first." : (hint ?? ""),
    });
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

/** A root and, where it is an index, all that it lists, indexes inside it too. */
export async function withParts(place: Repository, root: Descriptor, depth = 0): Promise<readonly Descriptor[]> {
  if (!isIndexType(root.mediaType)) return [root];
  if (depth > LIMITS.indexDepth) throw new Failure("LIMIT", `${root.digest}: indexes are nested deeper than ${LIMITS.indexDepth}`);
  const found = [root];
  for (const { mediaType, digest, size } of parseIndex(await readWhole(place, root), root.digest, root.mediaType).manifests)
    found.push(...(await withParts(place, { mediaType, digest, size }, depth + 1)));
  return [...new Map(found.map((one) => [one.digest, one])).values()];
}

/** Annotations from `-a KEY=VALUE`. Throws USAGE. */
export function readAnnotations(call: Invocation): Readonly<Record<string, string>> {
  const pairs = call.flags.list("annotations").map((text): [string, string] => {
    const at = text.indexOf("=");
    if (at <= 0) throw new Failure("USAGE", `invalid annotation "${printable(text)}": KEY=VALUE is wanted`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}
