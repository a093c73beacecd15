import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Place } from "../oci/place.ts";
import type { Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";

/** What a step came to, under the key of its inputs. Without `layer` the step added nothing. */
export interface CacheRecord {
  readonly key: Digest;
  readonly layer?: { readonly diffId: Digest; readonly blob: Descriptor };
  /** Any other small value that belongs to the key: the digest of a selection, say. JSON. */
  readonly value?: unknown;
  /** Milliseconds since the epoch: made, last used. */
  readonly at: number;
}

export interface NameRecord {
  readonly name: Reference;
  readonly root: Descriptor;
  /** Milliseconds since the epoch at which the name was set. */
  readonly at: number;
}

export interface Collected {
  readonly removed: readonly Digest[];
  readonly bytes: number;
}

/** Something that `check` found. An `error` means that an image cannot be used; a `note` costs space or a cache hit only. */
export interface StoreFinding {
  readonly level: "error" | "note";
  readonly kind: "damaged" | "missing" | "unreferenced" | "leftover" | "foreign";
  /** The digest, or the path of a file that is no blob. */
  readonly what: string;
  /** A sentence for people. */
  readonly message: string;
}

/** Sizes are bytes on disk; what several images share counts once. */
export interface StoreUsage {
  /** `total` images with and without a name; `unnamed` of them without; `reclaimable` what only those without a name hold. */
  readonly images: { readonly total: number; readonly unnamed: number; readonly bytes: number; readonly reclaimable: number };
  /** `bytes` of all layers that cache records hold; `reclaimable` those that no image holds. */
  readonly cache: { readonly total: number; readonly bytes: number; readonly reclaimable: number };
  /** Blobs that nothing refers to, set-aside damaged ones included: a collection frees them. */
  readonly unreferenced: { readonly total: number; readonly bytes: number };
  /** Layer indexes and scratch files, which can be made again. */
  readonly derived: { readonly total: number; readonly bytes: number };
}

/** A blob being written: chunks go in synchronously and in order; `commit` gives it its name. */
export interface BlobWriter {
  /** The chunk may be reused by the caller after the call returns. */
  write(chunk: Uint8Array): void | Promise<void>;
  /**
   * The same on the thread pool, so that the disk works while the caller hashes: the chunk is the writer's until the promise settles,
   * and only one may be under way.
   */
  writeLater(chunk: Uint8Array): Promise<void>;
  /**
   * fsync, size check, read-only, rename. The caller has hashed what he wrote. The directory is synced once, by whatever first refers
   * to the blob (publish, keep). Need not be awaited before the next blob is written: syncs of several blobs overlap.
   * Throws DIGEST, NO_SPACE, STORAGE, and then nothing stays.
   */
  commit(digest: Digest, expectSize?: number): Promise<{ digest: Digest; size: number }>;
  /** Removes what was written. Harmless after commit. */
  abort(): void;
}

/** The local store: a Place with names, cache records and a ledger. Made by `openStore` (store/store.ts). */
export interface ContentStore extends Place, AsyncDisposable {
  /** The folder it lives in. */
  readonly dir: string;
  /** A writer into the store's private temporary folder. The caller hashes. */
  writer(): BlobWriter;
  /** A fresh name in the store's private temporary folder (0700), for a file or a folder. Removed when the store is closed. */
  temporary(): Promise<string>;
  /** Several small documents (config, manifest) at once: their syncs overlap. In the order given. */
  putMany(documents: readonly Uint8Array[]): Promise<{ digest: Digest; size: number }[]>;
  /**
   * A file descriptor for readers that seek (layers). The caller closes it. Bytes read this way are not verified. To be
   * preferred to `pathOf`, because it also finds a blob that a collection has put aside for a moment. Throws NOT_FOUND, DIGEST.
   */
  openFile(digest: Digest): number;
  /** A small blob (manifest, index, config), verified before it is returned. Throws NOT_FOUND, DIGEST, LIMIT, STORAGE. */
  readDocument(what: Pick<Descriptor, "digest" | "size">): Buffer;
  /** Protects an image from collections by others until this store is closed: for save and other long reads. */
  hold(root: Descriptor): Promise<void>;
  /** The file of a blob. Existence is not checked. */
  pathOf(digest: Digest): string;
  /** Size of a blob, or undefined where it is missing. */
  sizeOf(digest: Digest): number | undefined;

  /**
   * Of Place: sets a name, durably with all it refers to. Throws NOT_FOUND where a manifest's config or layers are not in the store
   * (manifests that an index lists may be missing), DIGEST, STORAGE, NO_SPACE; the old name then stays.
   */
  publish(name: Reference, root: Descriptor, task: Task): Promise<void>;
  names(): Promise<readonly NameRecord[]>;
  /** Removes one name. False where it was not there. */
  unname(name: Reference): Promise<boolean>;
  /** A sealed image without a name stays listed (docker's `<none>`) until pruned. */
  keep(root: Descriptor): Promise<void>;
  untagged(): Promise<readonly NameRecord[]>;
  forget(root: Digest): Promise<boolean>;

  /**
   * Keeps a manifest that names a subject for as long as the subject is kept: attestations, signatures. Durable, with all it refers to;
   * twice is harmless. The result is the subject. Throws NOT_FOUND where the subject or a part is missing, MANIFEST where it names none.
   */
  attach(referrer: Descriptor): Promise<Digest>;
  /** Takes that back. False where it was not attached. */
  detach(subject: Digest, referrer: Digest): Promise<boolean>;
  /**
   * What is attached to a manifest, or to any, as entries of a list of referrers (with artifactType and annotations), ordered by digest.
   */
  referrers(subject?: Digest, artifactType?: string): Promise<readonly Descriptor[]>;

  /** A record whose layer is neither here nor, as `elsewhere` says, to be had is none. */
  recall(key: Digest, elsewhere?: (layer: Descriptor) => boolean): CacheRecord | undefined;
  remember(record: Omit<CacheRecord, "at">): void;
  /** Remembers which blob holds the layer with this diffID, for layers that came by load or pull. Written with `flush`. */
  noteBlob(diffId: Digest, blob: Descriptor): void;
  /** Writes pending cache records, once at the end of a build. A kill loses none; a power cut may: a lost record is a miss. */
  flush(): Promise<void>;
  /** All cache records, for `builder prune` and `system df`. */
  records(): readonly CacheRecord[];
  forgetRecords(keep: (record: CacheRecord) => boolean): Promise<number>;

  /** The index of a layer (image/index.ts encodes it), kept by diffID. A damaged or missing one is undefined. */
  readIndex(diffId: Digest): Promise<Uint8Array | undefined>;
  writeIndex(diffId: Digest, bytes: Uint8Array): Promise<void>;

  /** A blob that holds the layer with this diffID, in whichever representation was stored. */
  blobOf(diffId: Digest): Descriptor | undefined;

  /** Small derived files that may vanish at any time (the stamp ledger): by a name of [a-z0-9-]. */
  readScratch(name: string): Uint8Array | undefined;
  writeScratch(name: string, bytes: Uint8Array): void;

  /** Removes every blob that no name, kept image or cache record reaches and no living process has in use. */
  collect(): Promise<Collected>;

  /** Recomputes the digest of every blob and follows every reference; changes nothing. */
  check(): Promise<readonly StoreFinding[]>;
  /** What takes the space, for `system df`. */
  usage(): Promise<StoreUsage>;
}
