import { lstatSync, readdirSync, type Stats } from "node:fs";
import { errnoOf, storageFailure } from "./storage-failure.ts";

/** What is under a path, links not followed; undefined where nothing is. Throws STORAGE. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw storageFailure(error, "could not look at", path);
  }
}

/** The names in a folder, in no order; none where there is no such folder. Throws STORAGE. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw storageFailure(error, "could not read", folder);
  }
}
