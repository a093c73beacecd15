import { createHash, hash } from "node:crypto";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** `sha256:` and 64 lower-case hex digits. Only made by this file. OCI image-spec, descriptor.md, "Digests". */
export type Digest = `sha256:${string}` & { readonly __digest: true };

const FORM = /^sha256:[0-9a-f]{64}$/;

/** Whether a string is a digest that nought can check. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && FORM.test(text);
}

/** Reads a digest from outside. Throws MANIFEST for any other form, so that a digest is always safe as a file name. */
export function parseDigest(text: unknown, where = "digest"): Digest {
  if (isDigest(text)) return text;
  if (typeof text === "string" && /^sha512:[0-9a-f]{128}$/.test(text))
    throw new Failure("MANIFEST", `${where}: not a sha256 digest but one of sha512, which nought does not know`, {
      hint: "Let the tool that made the image write sha256 digests, which every registry takes.",
    });
  throw new Failure("MANIFEST", `${where}: not a sha256 digest: ${printable(String(text).slice(0, 100))}`);
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${hash("sha256", bytes, "hex")}` as Digest;
}

/** The 64 hex digits. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

/** From raw sha256 bytes or their hex form, for indexes that keep digests compactly. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

export interface Hasher {
  update(bytes: Uint8Array | string): Hasher;
  /** Ends the hasher. */
  digest(): Digest;
}

/** A sha256 over a stream. */
export function hasher(): Hasher {
  const inner = createHash("sha256");
  const self: Hasher = {
    update(bytes) {
      inner.update(bytes);
      return self;
    },
    digest: () => `sha256:${inner.digest("hex")}` as Digest,
  };
  return self;
}
