import { parseIndex } from "../../image/documents.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isIndexType } from "../../oci/media-type.ts";
import type { ContentStore } from "../../store/face.ts";

/** Whether anything of the store refers to an image or to a manifest of its index: most often nothing does, and then nothing is loaded. */
export async function hasReferrers(store: ContentStore, root: Descriptor): Promise<boolean> {
  if ((await store.referrers(root.digest)).length > 0) return true;
  if (!isIndexType(root.mediaType)) return false;
  for (const child of parseIndex(store.readDocument(root), root.digest, root.mediaType).manifests)
    if (store.sizeOf(child.digest) !== undefined && (await hasReferrers(store, child))) return true;
  return false;
}
