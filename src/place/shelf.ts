import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Place } from "../oci/place.ts";
import type { Reference } from "../oci/reference.ts";

/** What this room needs of the local store; `ContentStore` (store/face.ts) is one. */
export interface Shelf extends Place {
  /** A fresh private name for a temporary file or folder. */
  temporary(): Promise<string>;
  /** Bytes of a blob, or undefined where it is missing. */
  sizeOf(digest: Digest): number | undefined;
  /** The caller hashes; `commit` gives the blob its name. */
  writer(): {
    write(chunk: Uint8Array): void | Promise<void>;
    commit(digest: Digest, expectSize?: number): Promise<{ digest: Digest; size: number }>;
    abort(): void;
  };
  /** Remembers which blob holds a layer. */
  noteBlob(diffId: Digest, blob: Descriptor): void;
  writeIndex(diffId: Digest, bytes: Uint8Array): Promise<void>;
  /** Writes what was remembered. */
  flush(): Promise<void>;
  /** Lists an image without a name. */
  keep(root: Descriptor): Promise<void>;
  /** Keeps what names a subject with that. Throws MANIFEST where it names none, NOT_FOUND where that is not here. */
  attach?(referrer: Descriptor): Promise<Digest>;
  names(): Promise<readonly { readonly name: Reference; readonly root: Descriptor }[]>;
  /** Protects an image from being collected while it is read. */
  hold(root: Descriptor): Promise<void>;
}
