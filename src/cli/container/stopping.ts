import { type Container, readContainer } from "../../container/face.ts";
import { removeContainer } from "../../container/remove.ts";
import { ownPrivileges } from "../../sandbox/privileges.ts";
import type { Invocation } from "../command.ts";

/** What `-s` and `-t` of stop and restart say. */
export function stopOptions({ flags }: Invocation): { readonly signal?: string; readonly timeout?: number } {
  const signal = flags.string("signal");
  const timeout = flags.int("timeout") ?? flags.int("time");
  return { ...(signal ? { signal } : {}), ...(timeout === undefined ? {} : { timeout }) };
}

/**
 * Removes a container with `--rm` once it has ended, where this process may; otherwise it is hidden, and swept by the next command that
 * starts something.
 */
export async function removeIfTemporary(call: Invocation, { record }: Container): Promise<void> {
  if (!record.options.autoRemove || !ownPrivileges().mayMount) return;
  const now = readContainer(call.storeDir, record.id);
  if (now && now.state.status === "exited") await removeContainer(call.storeDir, now);
}
