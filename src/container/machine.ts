import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Machine } from "../sandbox/machine.ts";
import { ownPrivileges } from "../sandbox/privileges.ts";
import { findRuntime, runtimeWarning } from "../sandbox/runtime/version.ts";
import type { ContainerRecord } from "./record.ts";

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

/** The same for a container in the machine's pid namespace: an ordinary user has no /proc of that but the machine's own. */
export function machineFor(machine: Machine, { options }: Pick<ContainerRecord, "options">): Machine {
  return options.pid === "host" && !ownPrivileges().initial ? { ...machine, bindProc: true } : machine;
}
