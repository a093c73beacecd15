import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { ImageConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { isIndexType, isManifestType, layerCompression, MEDIA } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import { formatPlatform, matchesPlatform, type Platform } from "../oci/platform.ts";
import type { Task } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { parseConfig, parseIndex, parseManifest } from "./documents.ts";
import { type IndexedLayer, indexLayer } from "./index-layer.ts";

/** Something that is not as an image says. An `error` is a claim that is false; a `warning` is allowed, but nought would not write it. */
export interface Finding {
  readonly level: "error" | "warning";
  /** What it is about: a digest, in most cases. */
  readonly object: string;
  readonly message: string;
}

/**
 * Recomputes every claim that an image, or an index of images, makes, from its bytes alone and trusting no reader: sizes and
 * digests of all documents and layers, data fields, media types, platforms, counts of layers, diffIDs and history, diffIDs, the
 * tar in each layer (well-formed, no path twice, parents before what they hold), and that the layers make a tree.
 * An empty list says that all hold. Throws only where `task` is stopped.
 */
export async function validateImage(reader: BytesReader, root: Descriptor, task: Task): Promise<Finding[]> {
  const oracle = new Oracle(reader, task);
  await oracle.document(root, undefined, 0);
  return oracle.findings;
}

class Oracle {
  readonly findings: Finding[] = [];
  readonly #reader: BytesReader;
  readonly #task: Task;
  readonly #seen = new Set<Digest>();
  /** Layers already read, by the digest of the blob: images of one index share them. */
  readonly #layers = new Map<Digest, IndexedLayer | undefined>();

  constructor(reader: BytesReader, task: Task) {
    this.#reader = reader;
    this.#task = task;
  }

  /** A manifest or index, with all it leads to. */
  async document(what: Descriptor, platform: Platform | undefined, depth: number): Promise<void> {
    if (depth > LIMITS.indexDepth) return this.#error(what.digest, `indexes are nested deeper than ${LIMITS.indexDepth}`);
    if (this.#seen.has(what.digest)) return;
    this.#seen.add(what.digest);
    const bytes = await this.#whole(what, LIMITS.manifestBytes);
    if (!bytes) return;
    if (isManifestType(what.mediaType)) {
      const manifest = this.#parsed(what, () => parseManifest(bytes, what.digest, what.mediaType));
      if (manifest) await this.#manifest(what, manifest, platform);
    } else if (isIndexType(what.mediaType)) {
      const index = this.#parsed(what, () => parseIndex(bytes, what.digest, what.mediaType));
      for (const one of index?.manifests ?? []) {
        if (!(await this.#reader.has(one.digest))) this.#warn(what.digest, `it names ${one.digest}, which is not there`);
        else await this.document(one, one.platform, depth + 1);
      }
    } else this.#error(what.digest, `${printable(what.mediaType)} is neither a manifest nor an index`);
  }

  async #manifest(what: Descriptor, manifest: Manifest, platform: Platform | undefined): Promise<void> {
    const bytes = await this.#whole(manifest.config, LIMITS.configBytes);
    const isImage = manifest.config.mediaType === MEDIA.config || manifest.config.mediaType === MEDIA.dockerConfig;
    const attests = manifest.layers.some((layer) => layer.mediaType === "application/vnd.in-toto+json");
    if (!isImage || attests || manifest.artifactType !== undefined) {
      for (const layer of manifest.layers) await this.#blob(layer);
      return;
    }
    const config = bytes && this.#parsed(manifest.config, () => parseConfig(bytes, manifest.config.digest));
    if (config) this.#counts(what, manifest, config, platform);
    const drafts: Draft[] = [];
    for (const [at, layer] of manifest.layers.entries()) {
      const indexed = await this.#layer(layer);
      const claimed = config?.rootfs.diff_ids[at];
      if (indexed && claimed !== undefined && indexed.diffId !== claimed)
        this.#error(layer.digest, `its bytes unpack to ${indexed.diffId}, but the configuration says ${claimed}`);
      if (indexed) drafts.push(indexed.draft);
    }
    if (drafts.length === manifest.layers.length) this.#parsed(what, () => mergeTree(drafts));
  }

  #counts(what: Descriptor, manifest: Manifest, config: ImageConfig, platform: Platform | undefined): void {
    const layers = manifest.layers.length;
    const diffIds = config.rootfs.diff_ids.length;
    if (diffIds !== layers) this.#error(what.digest, `${layers} layers, but ${diffIds} diffIDs in the configuration`);
    const steps = config.history.filter((entry) => !entry.empty_layer).length;
    if (config.history.length > 0 && steps !== layers)
      this.#error(what.digest, `${layers} layers, but ${steps} entries of the history have one`);
    const docker = manifest.mediaType === MEDIA.dockerManifest;
    if (docker !== (manifest.config.mediaType === MEDIA.dockerConfig))
      this.#warn(what.digest, "its configuration has a media type of the other family");
    if (config.os === "" || config.architecture === "") this.#error(manifest.config.digest, "no os or architecture");
    else if (platform && !matchesPlatform(platform, config))
      this.#error(what.digest, `the index calls it ${formatPlatform(platform)}, its configuration ${formatPlatform(config)}`);
  }

  async #layer(what: Descriptor): Promise<IndexedLayer | undefined> {
    if (this.#layers.has(what.digest)) return this.#layers.get(what.digest);
    const said = layerCompression(what.mediaType);
    if (said === undefined) this.#error(what.digest, `${printable(what.mediaType)} is no media type of a layer`);
    const indexed = await this.#attempt(what, async () => {
      await using bytes = await this.#reader.open(what);
      return await indexLayer(this.#measured(what, bytes.read()), undefined, this.#task);
    });
    this.#layers.set(what.digest, indexed);
    if (!indexed) return undefined;
    if (said !== undefined && said !== indexed.compression)
      this.#error(what.digest, `its media type says ${said}, its bytes are ${indexed.compression}`);
    if (indexed.repeated > 0) this.#warn(what.digest, `${indexed.repeated} members repeat a path that came before`);
    if (indexed.orphans > 0) this.#warn(what.digest, `${indexed.orphans} members come before their directory, or without it`);
    return indexed;
  }

  /** Bytes that nobody looks into. */
  async #blob(what: Descriptor): Promise<void> {
    await this.#attempt(what, async () => {
      await using bytes = await this.#reader.open(what);
      for await (const _ of this.#measured(what, bytes.read()));
    });
  }

  async #whole(what: Descriptor, limit: number): Promise<Buffer | undefined> {
    if (what.size > limit) {
      this.#error(what.digest, `a document of ${what.size} bytes; ${limit} are accepted`);
      return undefined;
    }
    return this.#attempt(what, async () => {
      await using bytes = await this.#reader.open(what);
      const pieces: Buffer[] = [];
      for await (const piece of this.#measured(what, bytes.read())) pieces.push(Buffer.from(piece));
      const whole = Buffer.concat(pieces);
      if (what.data !== undefined && !Buffer.from(what.data, "base64").equals(whole))
        this.#error(what.digest, "the data field of its descriptor is not its bytes");
      return whole;
    });
  }

  /** Passes bytes on and compares size and digest at their end, and stops where they are more than was said. */
  async *#measured(what: Descriptor, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const hash = hasher();
    let size = 0;
    for await (const piece of bytes) {
      if (this.#task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while an image was checked");
      size += piece.length;
      if (size > what.size) throw new Failure("DIGEST", `more than the ${what.size} bytes that its descriptor says`);
      hash.update(piece);
      yield piece;
    }
    if (size !== what.size) throw new Failure("DIGEST", `${size} bytes, but its descriptor says ${what.size}`);
    const found = hash.digest();
    if (found !== what.digest) throw new Failure("DIGEST", `its bytes have the digest ${found}`);
  }

  async #attempt<T>(what: Descriptor, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (cause) {
      return this.#failed(what, cause);
    }
  }

  #parsed<T>(what: Descriptor, work: () => T): T | undefined {
    try {
      return work();
    } catch (cause) {
      return this.#failed(what, cause);
    }
  }

  #failed(what: Descriptor, cause: unknown): undefined {
    if (!(cause instanceof Failure) || cause.code === "INTERRUPTED") throw cause;
    this.#error(what.digest, cause.message);
  }

  #error(object: string, message: string): void {
    this.findings.push({ level: "error", object, message });
  }

  #warn(object: string, message: string): void {
    this.findings.push({ level: "warning", object, message });
  }
}
