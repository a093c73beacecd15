import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { memoryBytes } from "../oci/memory-bytes.ts";
import type { Bytes } from "../oci/place.ts";
import type { OfferingStore } from "./offers.ts";

/**
 * The store for putting an image together and sending it without all of it being here: documents (what is put whole) stay in memory and
 * are read from there, everything else is the store's. A manifest in the store whose layers are elsewhere would be taken for a broken one.
 */
export function withDocuments(store: OfferingStore): OfferingStore {
  const held = new Map<Digest, Uint8Array>();
  const find = ({ digest, size }: Pick<Descriptor, "digest" | "size">) => {
    const bytes = held.get(digest);
    return bytes?.length === size ? bytes : undefined;
  };
  const keep = (bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    held.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const open = async (what: Descriptor, or: (what: Descriptor) => Promise<Bytes>): Promise<Bytes> => {
    const bytes = find(what);
    return bytes ? memoryBytes(bytes) : or(what);
  };
  const has = async (digest: Digest) => held.has(digest) || store.has(digest);
  return {
    ...store,
    has,
    sizeOf: (digest) => held.get(digest)?.length ?? store.sizeOf(digest),
    open: (what) => open(what, store.open),
    through: { has, open: (what) => open(what, store.through.open) },
    readDocument(what) {
      const bytes = find(what);
      return bytes ? Buffer.from(bytes) : store.readDocument(what);
    },
    put: async (bytes, expect) => (bytes instanceof Uint8Array && expect === undefined ? keep(bytes) : store.put(bytes, expect)),
    putMany: async (documents) => documents.map(keep),
  };
}
