import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { SandboxExit } from "../../sandbox/spec.ts";

const ENDED: Readonly<Record<number, string>> = {
  126: "The program is there but could not be run: not executable, or for another processor.",
  127: "A program was not found: the image has no such file in PATH, or the loader of a dynamically linked program is missing.",
  137: "It was killed, most often because memory ran out.",
};

/** A step whose program ended with something else than 0, in BuildKit's words. */
export function failedStep({ args }: { readonly args: readonly string[] }, { code }: SandboxExit): Failure {
  const hint = [ENDED[code], "`--debug-on-failure` opens a shell in the root of the step."].filter(Boolean).join(" ");
  const message = `process "${printable(args.join(" "))}" did not complete successfully: exit code: ${code}`;
  return new Failure("SANDBOX", message, { hint });
}
