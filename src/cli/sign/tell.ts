import { Failure } from "../../kit/error.ts";
import { formatReference } from "../../oci/reference.ts";
import type { Invocation } from "../command.ts";
import type { Target } from "./targets.ts";

/** Reasons that are shown; a registry may hold any number of signatures by others. */
const REASONS = 20;

/** What was checked of the signatures or attestations that hold, in cosign's words, and what did not hold beside them. */
export function tellChecks(
  call: Invocation,
  { name }: Target,
  good: readonly { readonly logged: boolean }[],
  refused: readonly string[],
  annotations: boolean,
): void {
  call.err(`\nVerification for ${formatReference(name)} --\nThe following checks were performed on each of these signatures:\n`);
  if (annotations) call.err("  - The specified annotations were verified.\n");
  call.err("  - The cosign claims were validated\n  - The signatures were verified against the specified public key\n");
  const logged = good.some((one) => one.logged);
  call.err(`  - ${logged ? "They come with entries of a transparency log, which was not asked" : "No transparency log was asked"}\n`);
  if (refused.length > 0) call.err(`Not counted:\n${list(refused)}\n`);
  call.err("\n");
}

/** The failure where nothing holds, with a reason for each. */
export function nothingHolds({ name, root }: Target, kind: "signature" | "attestation", refused: readonly string[]): Failure {
  const image = formatReference(name.digest === undefined ? { ...name, digest: root.digest } : name);
  if (refused.length === 0) {
    const hint =
      kind === "signature"
        ? "`nought sign` signs it; signatures lie beside the image, in its repository."
        : "`nought attest` attaches one.";
    return new Failure("SIGNATURE", `${image}: the repository has no ${kind} of it`, { hint });
  }
  return new Failure("SIGNATURE", `${image}: no ${kind} holds\n${list(refused)}`, {
    hint: "Is this the key it was signed with? `nought referrers` lists what is there.",
  });
}

/** JSON of what a key has signed: the same value, and harmless for a terminal as `printable` has it. */
export function signedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `--format`, or cosign's `--output`. Throws USAGE. */
export function readFormat(call: Invocation): "json" | "text" {
  const given = call.flags.string("format") ?? "json";
  if (given === "json" || given === "text") return given;
  throw new Failure("USAGE", '--format is "json" or "text"');
}

function list(refused: readonly string[]): string {
  const shown = refused.slice(0, REASONS).map((one) => `  - ${one}`);
  if (refused.length > REASONS) shown.push(`  - and ${refused.length - REASONS} more`);
  return shown.join("\n");
}
