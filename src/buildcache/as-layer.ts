import { decompress } from "../format/decompress.ts";
import type { Layer } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import { type Digest, hasher } from "../oci/digest.ts";

/**
 * Passes the bytes of a layer's blob on, and unpacks them beside: at their end it throws DIGEST where they are not the layer that somebody
 * said they are. Whoever stores them then has nothing.
 */
export async function* asLayer(chunks: AsyncIterable<Uint8Array>, { diffId, blob }: Layer): AsyncGenerator<Uint8Array> {
  const { PassThrough } = await import("node:stream");
  const copy = new PassThrough();
  copy.on("error", () => {});
  const found = unpackedDigest(copy);
  const over = found.then(
    () => {},
    () => {},
  );
  try {
    for await (const chunk of chunks) {
      // The receiver may use its chunk anew.
      if (!copy.destroyed && !copy.write(Buffer.from(chunk))) await Promise.race([new Promise((go) => copy.once("drain", go)), over]);
      yield chunk;
    }
    copy.end();
    const digest = await found;
    if (digest !== diffId) throw new Failure("DIGEST", `layer ${blob.digest} unpacks to ${digest}, and not to ${diffId}`);
  } finally {
    copy.destroy();
    await over;
  }
}

async function unpackedDigest(packed: AsyncIterable<Uint8Array>): Promise<Digest> {
  const { bytes } = await decompress(packed);
  const hash = hasher();
  for await (const piece of bytes) hash.update(piece);
  return hash.digest();
}
