import type { Digest } from "../../oci/digest.ts";
import type { PackedPlace } from "../../place/represent.ts";
import { Refusal } from "../../registry/answer.ts";
import type { Repository } from "../../registry/face.ts";
import type { ContentStore } from "../../store/face.ts";

/** What registries, and proxies before them, answer to a body whose length they are not told. */
const NO_STREAMS = new Set([400, 404, 405, 411, 413, 415, 416, 501]);

/**
 * A repository as the place where layers go while they are packed. A registry that takes no body of unknown length gets none: then the
 * layer is packed into the store, and sent from there in one piece. `mountFrom` names a repository beside it that has a blob.
 */
export function packingInto(to: Repository, store: ContentStore, mountFrom: (blob: Digest) => string | undefined): PackedPlace {
  return {
    async takes(blob) {
      if (await to.has(blob)) return true;
      const near = mountFrom(blob);
      return near !== undefined && (await to.mount(blob, near));
    },
    async put(bytes) {
      try {
        return await to.put(bytes);
      } catch (error) {
        if (!(error instanceof Refusal) || !NO_STREAMS.has(error.status)) throw error;
        return store.put(bytes);
      }
    },
  };
}
