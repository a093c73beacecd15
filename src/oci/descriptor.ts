import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** A typed pointer to bytes: OCI image-spec, descriptor.md. `size` is bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly data?: string;
}
