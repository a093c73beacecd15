import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { formatReference, parseReference, withDefaultTag } from "../../oci/reference.ts";
import { SIGN_PREDICATE } from "../../sign/media.ts";
import { payloadJson } from "../../sign/payload.ts";
import { type Verified, verifySignatures } from "../../sign/verify.ts";
import type { Invocation } from "../command.ts";
import { verifyingKey } from "../sign/keys.ts";
import { openTarget, readAnnotations, type Target } from "../sign/targets.ts";
import { nothingHolds, readFormat, signedJson, tellChecks } from "../sign/tell.ts";

/** `nought verify`: whether images of registries are signed with a key, or allowed by a policy. */
export async function run(call: Invocation): Promise<void> {
  if (call.flags.given("policy")) return askPolicy(call);
  const format = readFormat(call);
  const wanted = readAnnotations(call);
  const key = verifyingKey(call);
  for (const text of call.args) {
    const target = await openTarget(call, text, "pull");
    await using repository = target.place;
    const { good, refused } = await verifySignatures(repository, target.root.digest, [key], wanted, target.task);
    if (good.length === 0) throw nothingHolds(target, "signature", refused);
    tellChecks(call, target, good, refused, Object.keys(wanted).length > 0);
    for (const one of good) tellIdentity(call, target, one);
    const lines = good.map((one) => signedJson(jsonOf(target, one)));
    call.out(format === "json" ? `[${lines.join(",")}]\n` : `${lines.join("\n")}\n`);
  }
}

/** Asks the policy alone, as a pull for this machine would. */
async function askPolicy(call: Invocation): Promise<void> {
  for (const flag of ["key", "annotations"])
    if (call.flags.given(flag)) throw new Failure("USAGE", `--${flag} and --policy do not go together: a policy has its own keys`);
  const [{ findPolicy }, { admit }, { requirementsFor }] = await Promise.all([
    import("../../sign/policy/file.ts"),
    import("../../sign/policy/admit.ts"),
    import("../../sign/policy/scope.ts"),
  ]);
  const found = findPolicy(call.env);
  if (!found) throw new Failure("USAGE", "--policy names no file");
  for (const text of call.args) {
    const { name, place, root, task } = await openTarget(call, text, "pull");
    await using repository = place;
    await admit(found.policy, found.where, { place: repository, name, root, platform: hostPlatform() }, task);
    const { requirements, scope } = requirementsFor(found.policy, name);
    const rules = requirements.map(({ type }) => type).join(", ");
    const shown = formatReference({ ...withDefaultTag(name), digest: root.digest });
    call.out(`${shown} is allowed by ${found.where}: scope ${printable(scope)}, ${rules}\n`);
  }
}

/** In cosign's words, for both forms. */
function jsonOf({ name, root }: Target, { form, reference, annotations }: Verified): object {
  const shown = reference ?? formatReference(withDefaultTag(name));
  const type = form === "bundle" ? SIGN_PREDICATE : undefined;
  return payloadJson({ reference: shown, digest: root.digest, optional: annotations as never }, type);
}

/** A signature holds for the digest wherever it lies; that it was made for another name is worth a word. */
function tellIdentity(call: Invocation, { name }: Target, { reference }: Verified): void {
  if (reference === undefined) return;
  try {
    const signed = parseReference(reference);
    if (signed.registry === name.registry && signed.repository === name.repository) return;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  call.err(`NOTE: this digest was signed under another name, ${printable(reference.slice(0, 300))}\n`);
}
