import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "./engine.ts";
import { ownPrivileges } from "./privileges.ts";
import { ownSubIds } from "./subid.ts";
import { whyNot } from "./testing/box.ts";

const isRoot = process.getuid?.() === 0;
/** A user that nobody has, without ranges in /etc/subuid. */
const NOBODYS = 54321;

/** The user to be for the test: as root the first one with ranges, else oneself. */
function ranged(): { uid: number; gid: number } | undefined {
  if (!findProgram("newuidmap")) return undefined;
  if (!isRoot) return ownSubIds("/etc/subuid").length > 0 ? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } : undefined;
  const names = readFileSync("/etc/subuid", "utf8")
    .split("\n")
    .map((line) => line.split(":")[0]);
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (names.includes(name) && uid !== "0") return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function inside(kind: "best" | "single", user: { uid: number; gid: number } | undefined): string {
  const home = mkdtempSync(join(tmpdir(), "nought-rootless-"));
  try {
    chmodSync(home, 0o755);
    if (user && isRoot) chownSync(home, user.uid, user.gid);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const files = ["run", "killed"].map((name) => join(import.meta.dirname, `${name}.test.ts`));
    const { stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "testing/inside.ts"), kind, ...files], {
      encoding: "utf8",
      env: { ...env, HOME: home, TMPDIR: home, XDG_CACHE_HOME: join(home, "cache"), XDG_RUNTIME_DIR: "" },
      ...(isRoot && user ? user : {}),
    });
    return stdout + stderr;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

for (const [kind, user, why] of [
  ["best", ranged(), "no user with ranges in /etc/subuid, or no newuidmap (Debian: uidmap)"],
  ["single", isRoot ? { uid: NOBODYS, gid: NOBODYS } : undefined, "not root"],
] as const) {
  const skip =
    process.platform !== "linux" || whyNot()?.toString().includes("busybox")
      ? whyNot() || "not Linux"
      : (kind === "best" && !user) || (isRoot && !ownPrivileges().initial)
        ? why
        : false;
  test(`an ordinary user, ${kind === "best" ? "with ranges of ids" : "with a single id"}: the same tests`, { skip }, (t) => {
    const out = inside(kind, user);
    const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(out)?.[1] ?? -1);
    if (out.includes("# cannot enter")) return t.skip(out);
    const failed = out.split("\n").filter((line) => /^\s*not ok/.test(line));
    assert.deepEqual(failed, [], out);
    assert.ok(count("pass") > 15 && count("skipped") < 8, out.slice(-1500));
    t.diagnostic(`${kind}: ${count("pass")} passed, ${count("skipped")} skipped`);
  });
}
