import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { ProgramTrouble } from "./program.ts";
import type { SandboxSpec } from "./spec.ts";

/** Exit codes of docker for a program that is not there, and for one that cannot be run. */
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;

/** A program that could not be started, in docker's words. */
export function programTrouble(trouble: ProgramTrouble, spec: SandboxSpec, path: string, errno: string): Failure {
  const program = printable(spec.args[0] ?? "");
  const found = printable(path);
  if (trouble === "missing") {
    const isPath = program.includes("/");
    return new Failure(
      "SANDBOX",
      `exec: "${program}": ${isPath ? "stat " + program + ": no such file or directory" : "executable file not found in $PATH"}`,
      {
        exit: NOT_FOUND,
        hint: isPath
          ? "There is no such file in the image."
          : "There is no such program in the image; with FROM scratch there is no shell either.",
      },
    );
  }
  if (trouble === "interpreter")
    return new Failure("SANDBOX", `exec ${found}: no such file or directory`, {
      exit: NOT_FOUND,
      hint: `${found} is there, but what it is run by is not: the loader of a dynamically linked program, or the program after #! in a script.`,
    });
  const reasons: Readonly<Record<string, string>> = {
    EACCES: "permission denied",
    ENOEXEC: "exec format error",
    EISDIR: "is a directory",
    ENOTDIR: "not a directory",
    E2BIG: "argument list too long",
    ETXTBSY: "text file busy",
  };
  return new Failure("SANDBOX", `exec: "${program}": ${reasons[errno] ?? errno}`, {
    exit: NOT_RUNNABLE,
    hint:
      errno === "ENOEXEC"
        ? `${found} is a program for another processor, or a script that does not begin with #!.`
        : errno === "EACCES"
          ? `${found} must be a file with the execute permission for the user of the step.`
          : `${found} could not be run.`,
  });
}

/** A system call of the set-up that failed. */
export function setupTrouble(what: string, errno: string): Failure {
  return new Failure("SANDBOX", `the sandbox could not be set up: ${printable(what)}`, { hint: hintFor(what, errno) });
}

function hintFor(what: string, errno: string): string {
  if (what.startsWith("clone") && errno === "EPERM") return "Namespaces may not be made here; `nought doctor` says why.";
  if (errno === "ENOSPC" && what.startsWith("clone")) return "There are too many namespaces already: see /proc/sys/user/max_*_namespaces.";
  if (errno === "ENOSYS") return "nought needs Linux 5.12 or newer for this.";
  if (/^set(res|group)/.test(what)) return "That id does not exist here: the range in /etc/subuid and /etc/subgid is too small.";
  if (errno === "ENOSPC" || errno === "EDQUOT") return "The disk is full.";
  if (what.startsWith("mount /") && errno === "ENOENT") return "The target of the mount does not exist in the root.";
  return "`nought doctor` says what this machine allows.";
}
