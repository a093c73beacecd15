import { closeSync, fstatSync, readSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import type { Blobs } from "./blobs.ts";

/**
 * Reads a small blob (manifest, index, config) whole and checks size and digest before anybody sees a byte. A blob whose bytes are
 * not those of its name is set aside. Throws NOT_FOUND, DIGEST, STORAGE, and LIMIT beyond the bytes that configs may have.
 */
export function readDocument(blobs: Blobs, what: Pick<Descriptor, "digest" | "size">): Buffer {
  const path = blobs.pathOf(what.digest);
  const fd = blobs.openFile(what.digest);
  try {
    const { size } = fstatSync(fd);
    if (size > LIMITS.configBytes && what.size > LIMITS.configBytes)
      throw new Failure("LIMIT", `blob ${what.digest} has ${size} bytes; a document may have ${LIMITS.configBytes}`);
    const bytes = Buffer.allocUnsafe(Math.min(size, LIMITS.configBytes + 1));
    let fill = 0;
    while (fill < bytes.length) {
      const got = readSync(fd, bytes, fill, bytes.length - fill, fill);
      if (got === 0) break;
      fill += got;
    }
    const found = bytes.subarray(0, fill);
    const digest = digestOf(found);
    if (digest !== what.digest) {
      blobs.setAside(what.digest, fd);
      throw new Failure("DIGEST", `blob ${what.digest} is damaged: ${printable(path)} holds ${size} bytes of another digest`);
    }
    if (found.length !== what.size)
      throw new Failure(
        "DIGEST",
        `blob ${what.digest} has ${found.length} bytes, but what refers to it says ${what.size}: ${printable(path)}`,
      );
    return found;
  } catch (error) {
    throw storageFailure(error, "could not read", path);
  } finally {
    closeSync(fd);
  }
}
