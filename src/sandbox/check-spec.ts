import { MAX_ID } from "../format/passwd.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { capabilityMask } from "./capability.ts";
import { isBelowAny, type SandboxMount, type SandboxSpec } from "./spec.ts";

const MAX_LOWERS = 500;
const MAX_MOUNTS = 100;
/** Bytes of all arguments and of the environment that execve(2) takes, and of one of them (a page less than 128 KiB). */
const MAX_ARGUMENTS = 2 << 20;
const MAX_ARGUMENT = (128 << 10) - 1;

/**
 * Refuses what the engine could not do, or must not. Throws USAGE for what the user can mend, LIMIT, and PLAN for a working directory or
 * mount that reaches into the kernel's file systems.
 */
export function checkSpec(spec: SandboxSpec): void {
  if (spec.args.length === 0 || spec.args[0] === "") throw new Failure("USAGE", "there is no command to run");
  const words = [...spec.args, ...spec.env];
  const long = words.find((word) => Buffer.byteLength(word) > MAX_ARGUMENT);
  if (long !== undefined)
    throw new Failure(
      "LIMIT",
      `an argument or variable is longer than the ${MAX_ARGUMENT} bytes that Linux takes: ${printable(long.slice(0, 40))}…`,
    );
  if (words.reduce((sum, word) => sum + Buffer.byteLength(word) + 9, 0) > MAX_ARGUMENTS)
    throw new Failure("LIMIT", `arguments and environment take more than ${MAX_ARGUMENTS >> 20} MiB`);
  const nul = words.find((word) => word.includes("\0"));
  if (nul !== undefined) throw new Failure("USAGE", `an argument or variable holds a NUL: ${printable(nul.slice(0, 40))}`);
  for (const id of [spec.user.uid, spec.user.gid, ...spec.user.groups])
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw new Failure("USAGE", `${id} is no user or group id`);
  if (spec.lowers.length > MAX_LOWERS)
    throw new Failure("LIMIT", `the root has ${spec.lowers.length} layers; overlayfs takes ${MAX_LOWERS}`);
  if (spec.mounts.length > MAX_MOUNTS)
    throw new Failure("LIMIT", `there are ${spec.mounts.length} mounts; at most ${MAX_MOUNTS} are taken`);
  if (spec.plain === undefined && spec.lowers.length === 0) throw new Failure("USAGE", "a sandbox needs a root directory or layers");
  if ((spec.upper === undefined) !== (spec.work === undefined)) throw new Failure("USAGE", "an upper directory needs a work directory");
  if (Buffer.byteLength(spec.hostname) > 64)
    throw new Failure("USAGE", `the host name is longer than 64 bytes: ${printable(spec.hostname)}`);
  capabilityMask(spec.capabilities);
  checkPath(spec.cwd, "the working directory");
  if (isBelowAny(spec.cwd, ["/proc", "/sys", "/dev"]))
    throw new Failure("PLAN", `the working directory ${printable(spec.cwd)} lies in a file system of the kernel`, {
      hint: "Choose a directory of the image.",
    });
  for (const mount of spec.mounts) checkMount(mount);
}

function checkMount(mount: SandboxMount): void {
  checkPath(mount.target, "the target of a mount");
  const { target } = mount;
  if (target === "/" || target === "/proc" || target === "/sys" || target === "/dev" || isBelowAny(target, ["/proc", "/sys"]))
    throw new Failure("PLAN", `nothing can be mounted on ${printable(target)}`, { hint: "Choose another target." });
  if (mount.type === "bind" && !(mount.within ?? mount.source).startsWith("/"))
    throw new Failure("PLAN", `the source of a mount is not absolute: ${printable(mount.source)}`);
}

function checkPath(path: string, what: string): void {
  const parts = path.split("/");
  if (!path.startsWith("/") || path.includes("\0") || parts.includes("..") || parts.includes("."))
    throw new Failure("PLAN", `${what} is not an absolute path without dots: ${printable(path)}`);
  if (Buffer.byteLength(path) > LIMITS.pathBytes - 1 || parts.some((part) => Buffer.byteLength(part) > LIMITS.nameBytes))
    throw new Failure("LIMIT", `${what} is longer than Linux takes: ${printable(path.slice(0, 60))}…`);
}
