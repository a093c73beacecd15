import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Machine } from "../sandbox/machine.ts";
import { findRuntime, runtimeWarning } from "../sandbox/runtime/version.ts";

/** Where a container runs: on nought's own engine, or through a real runtime. Throws USAGE, NOT_FOUND where that is not installed. */
export function findMachine(runtime: string | undefined, warn: (text: string) => void): Machine {
  if (runtime === undefined) return {};
  if (runtime !== "crun" && runtime !== "runc")
    throw new Failure("USAGE", `unknown or invalid runtime name: ${printable(runtime)}`, { hint: "nought knows crun and runc." });
  const found = findRuntime(runtime);
  if (!found)
    throw new Failure("NOT_FOUND", `${runtime} is not installed on this machine`, {
      hint: "Leave --runtime away for nought's own engine.",
    });
  const warning = runtimeWarning(found);
  if (warning) warn(warning);
  return { runtime: found };
}
