import { spawnSync } from "node:child_process";
import { printable } from "../../kit/printable.ts";
import { findProgram } from "../engine.ts";
import type { OciRuntime } from "./table.ts";

/** First versions without the escapes that are known, by line of releases; a higher line has them too. */
const SOUND: Readonly<
  Record<OciRuntime["name"], { readonly lines: readonly (readonly [number, number, number])[]; readonly cves: string }>
> = {
  crun: { lines: [[1, 28, 0]], cves: "CVE-2026-47766, CVE-2026-88264, CVE-2026-88265" },
  runc: {
    lines: [
      [1, 2, 8],
      [1, 3, 3],
      [1, 4, 0],
    ],
    cves: "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
  },
};

/** The runtime of that name on this machine. */
export function findRuntime(name: OciRuntime["name"]): OciRuntime | undefined {
  const path = findProgram(name);
  return path === undefined ? undefined : { name, path };
}

/** What to warn of before a runtime is used; undefined where nothing is known against it. Starts it once to ask for its version. */
export function runtimeWarning({ name, path }: OciRuntime): string | undefined {
  const ran = spawnSync(path, ["--version"], { encoding: "utf8", timeout: 5000, maxBuffer: 1 << 16 });
  const text = `${ran.stdout ?? ""}`;
  const found = /version (\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  if (!found) return `${path} does not say which version it is: ${printable(text.slice(0, 80) || (ran.error?.message ?? "no answer"))}`;
  const version = [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)] as const;
  if (isSound(version, SOUND[name].lines)) return undefined;
  return `${path} is version ${version.join(".")}, which has known ways out of a container (${SOUND[name].cves}) unless the distribution mended them; nought's own sandbox has not`;
}

/** Whether a version is at least the first sound one of its line, or of a later line than all of them. */
export function isSound(version: readonly [number, number, number], lines: readonly (readonly [number, number, number])[]): boolean {
  const compare = (a: readonly number[], b: readonly number[]) => {
    for (const [at, one] of a.entries()) if (one !== b[at]) return one - (b[at] ?? 0);
    return 0;
  };
  const line = lines.find((one) => one[0] === version[0] && one[1] === version[1]);
  if (line) return compare(version, line) >= 0;
  const last = lines.at(-1);
  return last !== undefined && compare(version, last) > 0;
}
