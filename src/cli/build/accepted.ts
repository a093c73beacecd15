import { Failure } from "../../kit/error.ts";
import type { Flags } from "../flags.ts";

/** Flags that docker's users type, whose meaning is lost here without harm, and what is said of it. */
const LOST: readonly (readonly [string, string])[] = [
  ["squash", "--squash is ignored: copy what you need into a last stage FROM scratch instead"],
  ["cgroup-parent", "--cgroup-parent is ignored"],
  ["cpu-period", "--cpu-period is ignored, as by BuildKit"],
  ["cpu-quota", "--cpu-quota is ignored, as by BuildKit"],
  ["cpu-shares", "--cpu-shares is ignored, as by BuildKit"],
  ["cpuset-cpus", "--cpuset-cpus is ignored, as by BuildKit"],
  ["cpuset-mems", "--cpuset-mems is ignored, as by BuildKit"],
  ["memory", "--memory is ignored, as by BuildKit"],
  ["memory-swap", "--memory-swap is ignored, as by BuildKit"],
  ["security-opt", "--security-opt is ignored, as by BuildKit"],
];

/** What to tell of flags that are taken and do nothing. Throws UNSUPPORTED for those without which the result would be another. */
export function acceptedFlags(flags: Flags): readonly string[] {
  const isolation = flags.string("isolation") ?? "";
  if (!["", "default", "process"].includes(isolation)) throw new Failure("UNSUPPORTED", "--isolation is for Windows containers");
  const notes = LOST.filter(([name]) => flags.given(name) && !/^(?:false|disabled=true|)$/.test(flags.string(name) ?? "")).map(
    ([, text]) => text,
  );
  return notes;
}
