import { realpathSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { readSmallFile } from "../../kit/read-file.ts";
import { errnoOf } from "../../kit/storage-failure.ts";
import { readSeccompFile } from "../../sandbox/seccomp/file.ts";

/** What `--security-opt` asks for. */
export interface Security {
  readonly seccomp: boolean;
  /** Text of a profile of one's own, which could be read. */
  readonly seccompProfile?: string;
  readonly noNewPrivileges: boolean;
  readonly unmasked: boolean;
}

/**
 * Reads `--security-opt`: no-new-privileges, seccomp=unconfined, seccomp=FILE in docker's form, systempaths=unconfined. Labels of SELinux
 * and AppArmor are not set by nought; turning them off is no change. Throws USAGE, UNSUPPORTED.
 */
export function readSecurity(texts: readonly string[], privileged: boolean): Security {
  let seccompProfile: string | undefined;
  let [seccomp, noNewPrivileges, unmasked] = [!privileged, false, privileged];
  for (const text of texts) {
    const [key = "", value] = text.split(/[=:](.*)/s, 2) as [string?, string?];
    if (key === "no-new-privileges" && (value === undefined || value === "true" || value === "false")) noNewPrivileges = value !== "false";
    else if (key === "seccomp" && value === "unconfined") seccomp = false;
    else if (key === "seccomp" && value === "builtin") seccomp = true;
    else if (key === "systempaths" && value === "unconfined") unmasked = true;
    else if (key === "apparmor" && value === "unconfined") continue;
    else if (key === "label" && value === "disable") continue;
    else if (key === "seccomp" && value) seccompProfile = readProfile(value);
    else if (key === "apparmor" || key === "label" || key === "writable-cgroups")
      throw new Failure("UNSUPPORTED", `--security-opt ${printable(text)} is not supported`, {
        hint: "nought knows seccomp=unconfined, seccomp=FILE, no-new-privileges and systempaths=unconfined.",
      });
    else throw new Failure("USAGE", `invalid --security-opt: "${printable(text)}"`);
  }
  return { seccomp, noNewPrivileges, unmasked, ...(seccompProfile === undefined ? {} : { seccompProfile }) };
}

function readProfile(path: string): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readSmallFile(realpathSync(path), LIMITS.manifestBytes);
  } catch (error) {
    throw new Failure("USAGE", `the seccomp profile ${printable(path)} cannot be read: ${errnoOf(error)}`, { cause: error });
  }
  const text = bytes?.toString() ?? "";
  readSeccompFile(text);
  return text;
}
