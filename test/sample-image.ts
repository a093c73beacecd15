import { gzipSync, zstdCompressSync } from "node:zlib";
import { TarWriter } from "../src/format/tar-write.ts";
import type { Descriptor } from "../src/oci/descriptor.ts";
import { type Digest, digestOf } from "../src/oci/digest.ts";
import { type Compression, layerMediaType, MEDIA } from "../src/oci/media-type.ts";
import type { Bytes, BytesReader, BytesWriter } from "../src/oci/place.ts";

/** A layer of small text files by path; directories end in a slash. Always the same bytes. */
export async function sampleLayer(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const tar = new TarWriter((chunk) => void chunks.push(Buffer.from(chunk)), 1 << 12);
  const common = { uid: 0, gid: 0, mtime: 1_000_000_000 };
  for (const [path, text] of Object.entries(files)) {
    const body = Buffer.from(text);
    const dir = path.endsWith("/");
    await tar.header({ ...common, type: dir ? "dir" : "file", path, mode: dir ? 0o755 : 0o644, size: dir ? 0 : body.length });
    await tar.bytes(dir ? Buffer.alloc(0) : body);
    tar.pad();
  }
  await tar.end();
  return Buffer.concat(chunks);
}

export interface Sample {
  readonly root: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly Digest[];
  /** Everything by digest. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** A small image, its parts free to be falsified by `edit` before their digests are taken. */
export async function sampleImage(
  options: {
    readonly layers?: readonly Readonly<Record<string, string>>[];
    readonly compression?: Compression;
    readonly architecture?: string;
    readonly editConfig?: (config: Record<string, unknown>) => unknown;
    readonly editManifest?: (manifest: Record<string, unknown>) => unknown;
  } = {},
): Promise<Sample> {
  const blobs = new Map<Digest, Buffer>();
  const keep = (bytes: Buffer, mediaType: string): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const compression = options.compression ?? "uncompressed";
  const pack = (tar: Buffer) => (compression === "gzip" ? gzipSync(tar) : compression === "zstd" ? zstdCompressSync(tar) : tar);
  const plain = await Promise.all((options.layers ?? [{ hello: "hello\n" }]).map(sampleLayer));
  const diffIds = plain.map((tar) => digestOf(tar));
  const layers = plain.map((tar) => keep(pack(tar), layerMediaType(compression)));
  const created = "2001-09-09T01:46:40Z";
  const config = {
    created,
    architecture: options.architecture ?? "amd64",
    os: "linux",
    config: { Entrypoint: ["/hello"] },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: plain.map((_, n) => ({ created, created_by: `COPY ${n}` })),
  };
  const configBlob = keep(Buffer.from(JSON.stringify(options.editConfig?.(config) ?? config)), MEDIA.config);
  const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: configBlob, layers };
  const root = keep(Buffer.from(JSON.stringify(options.editManifest?.(manifest) ?? manifest)), MEDIA.manifest);
  return { root, config: configBlob, layers, diffIds, blobs };
}

/** An index over samples, as buildx makes for several platforms. */
export function sampleIndex(samples: readonly { readonly sample: Sample; readonly architecture: string }[]): Sample {
  const first = (samples[0] as { sample: Sample }).sample;
  const manifests = samples.map(({ sample, architecture }) => ({ ...sample.root, platform: { os: "linux", architecture } }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
  const root = { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length };
  return { ...first, root, blobs: new Map([...samples.flatMap(({ sample }) => [...sample.blobs]), [root.digest, bytes]]) };
}

/** Blobs in memory as a place to read from; nothing is verified, so that bad ones can be served. */
export function memoryReader(blobs: ReadonlyMap<Digest, Uint8Array>): BytesReader {
  return {
    has: async (digest) => blobs.has(digest),
    open: async (what) => {
      const bytes = blobs.get(what.digest);
      if (bytes === undefined) throw Object.assign(new Error(`no ${what.digest}`), { code: "NOT_FOUND" });
      return {
        size: bytes.length,
        async *read(from = 0, to = bytes.length) {
          yield bytes.subarray(from, to);
        },
        async [Symbol.asyncDispose]() {},
      } satisfies Bytes;
    },
  };
}

/** Puts all blobs of a sample into a place. */
export async function fill(to: BytesWriter, sample: Sample): Promise<void> {
  for (const [digest, bytes] of sample.blobs) await to.put(bytes, { digest, size: bytes.length });
}
