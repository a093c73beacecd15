import { containersInUse } from "../../container/face.ts";
import { sweepLowers } from "../../rootfs/sweep.ts";
import type { ContentStore } from "../../store/face.ts";

/**
 * Removes the unpacked form of layers that the store does not have any more, after a collection, and gives the bytes. Those that a
 * container
 * or a living process uses stay.
 */
export async function removeUnpacked(store: ContentStore): Promise<number> {
  const { lowers } = containersInUse(store.dir);
  const { bytes } = await sweepLowers(store.dir, ({ name, diffId }) => lowers.has(name) || store.blobOf(diffId) !== undefined);
  return bytes;
}
