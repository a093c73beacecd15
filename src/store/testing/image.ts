import type { Descriptor } from "../../oci/descriptor.ts";
import { digestOf } from "../../oci/digest.ts";
import { MEDIA } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import type { ContentStore } from "../face.ts";

export interface PutImage {
  readonly root: Descriptor;
  readonly config: Descriptor;
  readonly layer: Descriptor;
}

/** Puts a whole image of one layer into a store, the way a build does; the layer's bytes are no real tar. For tests. */
export async function putImage(store: ContentStore, content: string | Uint8Array): Promise<PutImage> {
  const bytes = Buffer.from(content as string);
  const writer = store.writer();
  for (let at = 0; at < bytes.length; at += 1 << 20) await writer.write(bytes.subarray(at, at + (1 << 20)));
  const { layer, config, root, documents } = imageOf(bytes);
  await Promise.all([writer.commit(layer.digest, bytes.length), store.putMany(documents)]);
  return { root, config, layer };
}

/** The documents of that image, without storing anything. */
export function imageOf(bytes: Uint8Array): PutImage & { readonly documents: readonly [Buffer, Buffer] } {
  const layer = { mediaType: MEDIA.layer, digest: digestOf(bytes), size: bytes.length };
  const configBytes = json({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [layer.digest] } });
  const config = { mediaType: MEDIA.config, digest: digestOf(configBytes), size: configBytes.length };
  const manifestBytes = json({ schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: [layer] });
  const root = { mediaType: MEDIA.manifest, digest: digestOf(manifestBytes), size: manifestBytes.length };
  return { root, config, layer, documents: [configBytes, manifestBytes] };
}

/** Reads a blob from end to end, verified. */
export async function readWhole(store: BytesReader, what: Descriptor): Promise<Buffer> {
  await using bytes = await store.open(what);
  const parts: Uint8Array[] = [];
  for await (const part of bytes.read()) parts.push(part);
  return Buffer.concat(parts);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
