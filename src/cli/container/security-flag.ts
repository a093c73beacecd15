import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** What `--security-opt` asks for. */
export interface Security {
  readonly seccomp: boolean;
  readonly noNewPrivileges: boolean;
  readonly unmasked: boolean;
}

/**
 * Reads `--security-opt`: no-new-privileges, seccomp=unconfined, systempaths=unconfined. Labels of SELinux and AppArmor are not set by
 * nought; turning them off is no change. Throws USAGE, UNSUPPORTED.
 */
export function readSecurity(texts: readonly string[], privileged: boolean): Security {
  let [seccomp, noNewPrivileges, unmasked] = [!privileged, false, privileged];
  for (const text of texts) {
    const [key = "", value] = text.split(/[=:](.*)/s, 2) as [string?, string?];
    if (key === "no-new-privileges" && (value === undefined || value === "true" || value === "false")) noNewPrivileges = value !== "false";
    else if (key === "seccomp" && value === "unconfined") seccomp = false;
    else if (key === "seccomp" && value === "builtin") seccomp = true;
    else if (key === "systempaths" && value === "unconfined") unmasked = true;
    else if (key === "apparmor" && value === "unconfined") continue;
    else if (key === "label" && value === "disable") continue;
    else if (key === "seccomp" || key === "apparmor" || key === "label" || key === "writable-cgroups")
      throw new Failure("UNSUPPORTED", `--security-opt ${printable(text)}: profiles of one's own are not supported`, {
        hint: "nought knows seccomp=unconfined, no-new-privileges and systempaths=unconfined.",
      });
    else throw new Failure("USAGE", `invalid --security-opt: "${printable(text)}"`);
  }
  return { seccomp, noNewPrivileges, unmasked };
}
