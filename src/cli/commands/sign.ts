import { Failure } from "../../kit/error.ts";
import { formatReference } from "../../oci/reference.ts";
import type { Form } from "../../sign/media.ts";
import { signImage } from "../../sign/sign.ts";
import type { Invocation } from "../command.ts";
import { signingKey } from "../sign/keys.ts";
import { openTarget, readAnnotations, withParts } from "../sign/targets.ts";

/** `nought sign`: signs images of registries by their digests, with a key. */
export async function run(call: Invocation): Promise<void> {
  refuseLog(call);
  const forms = readForms(call);
  const annotations = readAnnotations(call);
  const key = await signingKey(call);
  const identity = call.flags.string("sign-container-identity");
  for (const text of call.args) {
    const { name, place, root, task } = await openTarget(call, text, "push");
    await using repository = place;
    if (name.digest === undefined)
      call.err(`${formatReference(name)} is ${root.digest} now: that is signed, not the tag, which may be moved\n`);
    for (const part of call.flags.bool("recursive") ? await withParts(repository, root) : [root]) {
      const written = await signImage(repository, part, { key, annotations, forms, ...(identity ? { identity } : {}) }, task);
      const what = written.length > 0 ? "Signed" : "Signed before, in the same words";
      call.out(`${what}: ${formatReference({ ...repository.name, digest: part.digest })}\n`);
    }
  }
}

/** No signature is entered into a transparency log. Throws UNSUPPORTED where one is asked for. */
export function refuseLog(call: Invocation): void {
  if (!call.flags.given("tlog-upload") || !call.flags.bool("tlog-upload")) return;
  throw new Failure("UNSUPPORTED", "--tlog-upload: nought does not speak to transparency logs", {
    hint: "Sign with `cosign sign --key`, which enters it into Rekor; `nought verify` reads that signature. Or leave the flag out.",
  });
}

/** The forms that `--signature-format` names. Throws USAGE. */
export function readForms(call: Invocation): readonly Form[] {
  const given = call.flags.string("signature-format") ?? "both";
  if (given === "both") return ["bundle", "classic"];
  if (given === "bundle" || given === "classic") return [given];
  throw new Failure("USAGE", '--signature-format is "bundle", "classic" or "both"');
}
