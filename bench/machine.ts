/** Facts of the machine that figures are worth nothing without. */
import { readFileSync, statfsSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

/** `work` is the folder that contexts and stores are made in. */
export function machine(work: string): Readonly<Record<string, string | number>> {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  const [, , type = "?"] =
    mounts
      .filter(([, dir = ""]) => work === dir || work.startsWith(dir.endsWith("/") ? dir : `${dir}/`))
      .sort((a, b) => (b[1] as string).length - (a[1] as string).length)[0] ?? [];
  const { bavail, bsize } = statfsSync(work);
  return {
    date: new Date().toISOString(),
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? "?"}`,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    disk: `${type}, ${Math.round((bavail * bsize) / 1e9)} GB free`,
    load: loadavg()
      .map((value) => value.toFixed(2))
      .join(" "),
    node: process.version,
  };
}
