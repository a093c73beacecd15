import type { ImageConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";

/** A sealed draft: its identity (sha256 of the uncompressed tar) and the representation at hand. */
export interface Layer {
  readonly diffId: Digest;
  readonly blob: Descriptor;
}

/** An image as a value: lowest layer first, `config.rootfs.diff_ids` in the same order. */
export interface Image {
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly configDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
  readonly annotations?: Readonly<Record<string, string>>;
}
