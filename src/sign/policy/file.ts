import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { type Policy, parsePolicy } from "./policy.ts";

/** A policy with its name for messages. */
export interface PolicyFile {
  readonly policy: Policy;
  readonly where: string;
}

/**
 * The policy in force: the file that NOUGHT_POLICY names, which must be there; else `~/.config/containers/policy.json`; else
 * `/etc/containers/policy.json` (below `root`). Undefined where there is none: then everything is allowed. One that is there and cannot be
 * read allows nothing. Throws POLICY.
 */
export function findPolicy(env: Readonly<Record<string, string | undefined>>, root = "/"): PolicyFile | undefined {
  const named = env["NOUGHT_POLICY"];
  if (named) {
    const found = readPolicy(named);
    if (found) return found;
    throw new Failure("POLICY", `policy ${printable(named)}: no such file`, { hint: "NOUGHT_POLICY or --policy names it." });
  }
  const home = env["HOME"];
  const own = home ? readPolicy(join(home, ".config/containers/policy.json")) : undefined;
  return own ?? readPolicy(join(root, "etc/containers/policy.json"));
}

function readPolicy(path: string): PolicyFile | undefined {
  const where = `policy ${printable(path)}`;
  let bytes: Uint8Array;
  try {
    if (statSync(path).size > LIMITS.policyBytes) throw new Failure("POLICY", `${where} has more than ${LIMITS.policyBytes} bytes`);
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (error instanceof Failure) throw error;
    throw new Failure("POLICY", `${where} cannot be read: ${code ?? String(error)}`, { cause: error });
  }
  return { policy: parsePolicy(bytes, where), where };
}
