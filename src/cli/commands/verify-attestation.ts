import { readPredicateType } from "../../attest/statement.ts";
import { envelopeJson } from "../../sign/envelope.ts";
import { verifyAttestations } from "../../sign/verify.ts";
import type { Invocation } from "../command.ts";
import { verifyingKey } from "../sign/keys.ts";
import { openTarget } from "../sign/targets.ts";
import { nothingHolds, readFormat, signedJson, tellChecks } from "../sign/tell.ts";

/** `nought verify-attestation`: whether statements about images of registries are signed with a key. */
export async function run(call: Invocation): Promise<void> {
  const format = readFormat(call);
  const given = call.flags.string("type") ?? "custom";
  const type = given === "any" ? undefined : readPredicateType(given);
  const key = verifyingKey(call);
  for (const text of call.args) {
    const target = await openTarget(call, text, "pull");
    await using repository = target.place;
    const { good, refused } = await verifyAttestations(repository, target.root.digest, [key], type, target.task);
    if (good.length === 0) throw nothingHolds(target, "attestation", refused);
    tellChecks(call, target, good, refused, false);
    for (const { envelope, statement } of good) call.out(`${signedJson(format === "json" ? envelopeJson(envelope) : statement)}\n`);
  }
}
