import { join } from "node:path";
import { replaceFile } from "../kit/atomic.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";

/** Documents of ours are small; what is larger is none of them. */
const LIMIT = 8 << 20;

/** A JSON document of a container's folder; undefined where it is missing or no longer to be read. Throws STORAGE. */
export function readDocument(path: string): unknown {
  try {
    const bytes = readSmallFile(path, LIMIT);
    return bytes === undefined ? undefined : JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw storageFailure(error, "could not read", path);
  }
}

/** Writes one so that readers see the old or the new one. Throws STORAGE, NO_SPACE. */
export function writeDocument(path: string, value: unknown): void {
  try {
    replaceFile(join(path, "..", `.new-${uniqueToken()}`), path, Buffer.from(`${JSON.stringify(value, undefined, 1)}\n`));
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}
