/** Blobs in memory for tests of caches, and records that lead to them. */
import { type Digest, digestOf } from "../../oci/digest.ts";
import { MEDIA } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import type { TravelRecord } from "../face.ts";

/** Records with layers of these contents, and a place that has them. `opened` counts how often a blob was read. */
export function sampleCache(...contents: string[]): {
  readonly records: readonly TravelRecord[];
  readonly blobs: BytesReader;
  readonly opened: Digest[];
} {
  const bytes = new Map(contents.map((text) => [digestOf(text), Buffer.from(text)] as const));
  const opened: Digest[] = [];
  const records: TravelRecord[] = contents.map((text) => ({
    key: digestOf(`key of ${text}`),
    layer: {
      diffId: digestOf(`tar of ${text}`),
      blob: { mediaType: MEDIA.layerGzip, digest: digestOf(text), size: Buffer.byteLength(text) },
    },
    newest: 1_700_000_000,
  }));
  const blobs: BytesReader = {
    has: async (digest) => bytes.has(digest),
    async open(what) {
      opened.push(what.digest);
      const all = bytes.get(what.digest) ?? Buffer.alloc(0);
      return {
        size: all.length,
        async *read(from = 0, to = all.length) {
          yield all.subarray(from, to);
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
  return { records: [...records, { key: digestOf("selection"), value: digestOf("chosen") }, { key: digestOf("seen") }], blobs, opened };
}

/** The whole of a blob of a cache. */
export async function readText(from: BytesReader, record: TravelRecord | undefined): Promise<string> {
  if (!record?.layer) throw new Error("a record without layer");
  await using blob = await from.open(record.layer.blob);
  const pieces: Uint8Array[] = [];
  for await (const piece of blob.read()) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

/** Records in the order in which they are read. */
export function inOrder(records: readonly TravelRecord[]): readonly TravelRecord[] {
  return [...records].sort((a, b) => (a.key < b.key ? -1 : 1));
}
