/** For tests: the same tests as an ordinary user, inside a user namespace. */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../sandbox/engine.ts";
import { ownPrivileges } from "../../sandbox/privileges.ts";

const driver = join(import.meta.dirname, "../../sandbox/testing/inside.ts");
const NOBODYS = { uid: 54321, gid: 54321 };

/** The user to be: one that has ranges of ids, or one that nobody has. Where there is none, why. */
function userFor(kind: "ranges" | "single"): { readonly uid: number; readonly gid: number } | string {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  if (!ownPrivileges().initial) return "inside already";
  if (kind === "single") return NOBODYS;
  if (!findProgram("newuidmap")) return "no newuidmap (Debian: uidmap)";
  const names = new Set(
    readFileSync("/etc/subuid", "utf8")
      .split("\n")
      .map((line) => line.split(":")[0]),
  );
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (names.has(name) && uid !== "0") return { uid: Number(uid), gid: Number(gid) };
  }
  return "no user with ranges in /etc/subuid";
}

/** Why the tests cannot be run so, or false. */
export function whyNotRootless(kind: "ranges" | "single"): string | false {
  const user = userFor(kind);
  return typeof user === "string" ? user : false;
}

/**
 * Runs test files in a user namespace of that user, with a home and a temporary folder of his own. Gives what failed, and the whole report.
 */
export function testRootless(kind: "ranges" | "single", files: readonly string[]): { failed: string[]; passed: number; report: string } {
  const user = userFor(kind);
  if (typeof user === "string") throw new Error(user);
  const home = mkdtempSync(join(tmpdir(), "nought-rootless-"));
  try {
    chmodSync(home, 0o755);
    chownSync(home, user.uid, user.gid);
    const env = { HOME: home, TMPDIR: home, XDG_CACHE_HOME: join(home, "cache"), PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
    const ran = spawnSync(process.execPath, [driver, kind === "single" ? "single" : "best", ...files], {
      ...user,
      env,
      encoding: "utf8",
      timeout: 240_000,
    });
    const report = `${ran.stdout}${ran.stderr}`;
    const failed = report.split("\n").filter((line) => /^\s*not ok/.test(line));
    return { failed, passed: Number(/^# pass (\d+)$/m.exec(report)?.[1] ?? -1), report };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
