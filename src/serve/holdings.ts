import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { ManifestWord } from "./route.ts";

/** A manifest or index that a repository has. `mediaType` is what it was pushed as. */
export interface HeldManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** What a registry has to offer: a folder's repositories, or a read-only view of images that live elsewhere. Names are checked. */
export interface Holdings {
  /** Every repository that can be listed, in order. */
  repositories(): Promise<readonly string[]>;
  /** Its tags in order; undefined for a repository that does not exist. */
  tags(repository: string): Promise<readonly string[] | undefined>;
  manifest(repository: string, word: ManifestWord): Promise<HeldManifest | undefined>;
  /** An open file with the blob's bytes from 0 to `size`, which the caller closes. */
  openBlob(repository: string, digest: Digest): Promise<{ readonly fd: number; readonly size: number } | undefined>;
  /** Size of a blob in bytes. */
  blobSize(repository: string, digest: Digest): Promise<number | undefined>;
  /** Descriptors of the manifests that name `subject`, ordered by digest. */
  referrers(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
  /** Missing: read-only. */
  readonly write?: WritableHoldings;
}

/** Changes to a folder of repositories. All are durable when they return. */
export interface WritableHoldings {
  /** The folder for uploads; names in it are the caller's. */
  readonly uploads: string;
  /** Takes over a synced file of that digest and makes it a blob of the repository. */
  adopt(repository: string, file: string, digest: Digest): Promise<void>;
  /** Makes a blob of another repository one of this too. False where the other does not have it. */
  mount(repository: string, digest: Digest, from: string): Promise<boolean>;
  /** Stores a manifest whose bytes and parts the caller has checked, and sets the tag. */
  putManifest(repository: string, held: HeldManifest, subject: Digest | undefined, tag: string | undefined): Promise<void>;
  /** A tag alone, or a manifest with all its tags. False where it is not there. */
  deleteManifest(repository: string, word: ManifestWord): Promise<boolean>;
  deleteBlob(repository: string, digest: Digest): Promise<boolean>;
}
