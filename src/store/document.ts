import { closeSync } from "node:fs";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { readFully } from "../kit/read-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import type { Blobs } from "./blobs.ts";
import { checkSize } from "./reading.ts";

/**
 * Reads a small blob (manifest, index, config) whole and checks size and digest before anybody sees a byte. A blob whose
 * bytes are not those of its name is set aside. Throws NOT_FOUND, DIGEST, STORAGE, and LIMIT beyond what documents may have.
 */
export function readDocument(blobs: Blobs, what: Pick<Descriptor, "digest" | "size">): Buffer {
  if (what.size > LIMITS.configBytes)
    throw new Failure("LIMIT", `blob ${what.digest} has ${what.size} bytes; a document may have ${LIMITS.configBytes}`);
  const path = blobs.pathOf(what.digest);
  const fd = blobs.openFile(what.digest);
  try {
    checkSize(blobs, what, fd);
    const bytes = Buffer.allocUnsafe(what.size);
    const found = bytes.subarray(0, readFully(fd, bytes, 0));
    if (digestOf(found) !== what.digest) {
      blobs.setAside(what.digest, fd);
      throw new Failure("DIGEST", `blob ${what.digest} is damaged: ${printable(path)} holds other bytes`);
    }
    return found;
  } catch (error) {
    throw storageFailure(error, "could not read", path);
  } finally {
    closeSync(fd);
  }
}
