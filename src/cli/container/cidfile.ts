import { closeSync, openSync, unlinkSync } from "node:fs";
import { quietly, writeFully } from "../../kit/atomic.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { errnoOf, storageFailure } from "../../kit/storage-failure.ts";

/**
 * The file of `--cidfile`: made before the container, so that two cannot share it, and removed again when there is no container.
 * Throws USAGE where it is there already, STORAGE.
 */
export function writeIdFile(path: string | undefined): Disposable & { write(id: string): void } {
  if (path === undefined || path === "") return { write() {}, [Symbol.dispose]() {} };
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o644);
  } catch (error) {
    if (errnoOf(error) === "EEXIST")
      throw new Failure("CONFLICT", `container ID file found, make sure the other container isn't running or delete ${printable(path)}`);
    throw storageFailure(error, "failed to create the container ID file", path);
  }
  let written = false;
  return {
    write(id) {
      writeFully(fd, Buffer.from(id));
      written = true;
    },
    [Symbol.dispose]() {
      quietly(() => closeSync(fd));
      if (!written) quietly(() => unlinkSync(path));
    },
  };
}
