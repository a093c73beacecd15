import { dropCredential } from "../../registry/credentials/keep.ts";
import type { Invocation } from "../command.ts";
import { readHost } from "../registry/host.ts";

/** `nought logout`: forgets the credentials of a registry. */
export async function run(call: Invocation): Promise<void> {
  const host = readHost(call.args[0]);
  const had = await dropCredential(host, call.env, call.signal);
  call.out(had ? `Removing login credentials for ${host}\n` : `Not logged in to ${host}\n`);
}
