import { join, resolve } from "node:path";
import { Failure } from "../kit/error.ts";

/**
 * Where the store lives: `$NOUGHT_STORE`, else `$XDG_DATA_HOME/nought`, else `$HOME/.local/share/nought`
 * (XDG Base Directory Specification; a relative XDG_DATA_HOME is ignored, as it demands). Throws STORAGE where none is set.
 */
export function defaultStoreDir(env: Readonly<Record<string, string | undefined>>): string {
  if (env["NOUGHT_STORE"]) return absolute(env["NOUGHT_STORE"]);
  if (env["XDG_DATA_HOME"]?.startsWith("/")) return join(env["XDG_DATA_HOME"], "nought");
  if (env["HOME"]?.startsWith("/")) return join(env["HOME"], ".local", "share", "nought");
  throw new Failure(
    "STORAGE",
    env["HOME"]
      ? "HOME is not an absolute path, so there is no place for the store"
      : "HOME is not set, so there is no place for the store",
    {
      hint: "Set HOME, or NOUGHT_STORE to the folder of the store, or give --store DIR.",
    },
  );
}

function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (error) {
    throw new Failure("STORAGE", "NOUGHT_STORE is a relative path and the working directory does not exist any more", {
      hint: "Change to a directory that exists, or set NOUGHT_STORE to an absolute path.",
      cause: error,
    });
  }
}
