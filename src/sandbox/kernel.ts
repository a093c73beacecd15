import { release } from "node:os";

/** Whether the running kernel is at least that version. */
export function kernelIsAtLeast(major: number, minor: number, of: string = release()): boolean {
  const [, a = "0", b = "0"] = /^(\d+)\.(\d+)/.exec(of) ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}
