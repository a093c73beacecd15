import type { Wanted } from "../../sign/policy/admit.ts";
import type { Task } from "../../task/task.ts";

/**
 * Whether the policy in force allows an image of a registry; asked before any layer of it is fetched. `env` tells which policy that is
 * (NOUGHT_POLICY, which `--policy` sets, or HOME). Throws POLICY, AUTH, NETWORK.
 */
export async function admitImage(wanted: Wanted, env: Readonly<Record<string, string | undefined>>, task: Task): Promise<void> {
  const { findPolicy } = await import("../../sign/policy/file.ts");
  const found = findPolicy(env);
  if (!found) return;
  const { admit } = await import("../../sign/policy/admit.ts");
  await admit(found.policy, found.where, wanted, task);
}
