import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { formatReference, type Reference } from "../../oci/reference.ts";
import { typeOfDocument } from "../../place/documents.ts";
import type { Surroundings } from "../../registry/surroundings.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import { type Packing, type Pushed, sendImage } from "./push.ts";

/**
 * Pushes the manifest or index of the store that has this very digest, as it is and without a tag: whoever knows the digest can pull it.
 * Throws NOT_FOUND where the store lacks it or a part of it, AUTH, NETWORK, DIGEST.
 */
export async function pushDigest(
  name: Reference,
  packing: Packing,
  store: ContentStore,
  around: Surroundings,
  task: Task,
): Promise<Pushed> {
  const root = documentOf(name, store);
  await store.hold(root);
  return sendImage(name, root, { ...packing, asStored: true }, store, store, around, task);
}

/** The document that a name's digest stands for, found by its bytes alone: no name need point to it. */
function documentOf(name: Reference, store: ContentStore): Descriptor {
  const { digest } = name;
  const size = digest && store.sizeOf(digest);
  if (digest === undefined || size === undefined)
    throw new Failure("NOT_FOUND", `An image does not exist locally with the digest: ${formatReference(name)}`, {
      hint: "`nought images --digests` shows those of images; what a push packed is found by the digest that it told.",
    });
  return { mediaType: typeOfDocument(store.readDocument({ digest, size }), digest), digest, size };
}
