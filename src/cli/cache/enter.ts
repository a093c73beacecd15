import { mountsNeedNamespace } from "../../cache/list.ts";
import { Failure } from "../../kit/error.ts";
import { unpackedLayers } from "../../rootfs/sweep.ts";
import { ownPrivileges } from "../../sandbox/privileges.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";

/**
 * Goes into the user namespace where that is needed to look into or remove what was made in one; the process then starts anew, so this is
 * called before anything is asked or read. Where it is not possible the command goes on and does what can be done without. Gives whether
 * files of all owners are in reach.
 */
export function enterForCache(store: string, work: "look" | "remove"): boolean {
  if (ownPrivileges().mayMount) return true;
  const needed = mountsNeedNamespace(store) || (work === "remove" && unpackedLayers(store).length > 0);
  if (!needed && work === "look") return true;
  try {
    if (needed) enterUserNamespace();
    return true;
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "SANDBOX") throw error;
    return false;
  }
}
