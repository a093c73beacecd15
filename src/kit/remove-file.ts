import { unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { syncDirectory } from "./atomic.ts";
import { errnoOf, storageFailure } from "./storage-failure.ts";

/** Removes a file so that it stays removed when the power fails. False where it was not there. Throws STORAGE. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    unlinkSync(path);
    await syncDirectory(dirname(path));
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw storageFailure(error, "could not remove", path);
  }
}
