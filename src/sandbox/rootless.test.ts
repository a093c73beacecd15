import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findProgram } from "./engine.ts";
import { ownPrivileges } from "./privileges.ts";
import { ownSubIds } from "./subid.ts";
import { Box, runCollecting, whyNot } from "./testing/box.ts";

interface User {
  readonly uid: number;
  readonly gid: number;
}

const isRoot = process.getuid?.() === 0;
/** Milliseconds that all tests as another user may take together. */
const BOUND = 400_000;

/** A user that nobody has, without ranges in /etc/subuid. */
const NOBODYS = 54321;

/** The user to be for the test: as root the first one with ranges, else oneself. */
function ranged(): User | undefined {
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

const files = ["run", "killed", "detached", "exec", "storm"].map((name) => join(import.meta.dirname, `${name}.test.ts`));
const driver = join(import.meta.dirname, "testing/inside.ts");

/** Runs the tests as that user, with a home of its own. */
async function inside(user: User, run: (home: string) => string | Promise<string>): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), "nought-rootless-"));
  try {
    chmodSync(home, 0o755);
    if (isRoot) chownSync(home, user.uid, user.gid);
    return await run(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function variables(home: string): Record<string, string> {
  return { HOME: home, TMPDIR: home, XDG_CACHE_HOME: join(home, "cache"), PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
}

/** The tests all passed, and most of them were run. */
function judge(t: TestContext, out: string): void {
  if (out.includes("# cannot enter")) return t.skip(out);
  const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(out)?.[1] ?? -1);
  const failed = out.split("\n").filter((line) => /^\s*not ok/.test(line));
  assert.deepEqual(failed, [], out);
  assert.ok(count("pass") > 15 && count("skipped") < 20, out.slice(-1500));
  t.diagnostic(`${count("pass")} passed, ${count("skipped")} skipped`);
}

const noBusybox = process.platform === "linux" ? `${whyNot()}`.includes("busybox") && whyNot() : "not Linux";

for (const [kind, user, why] of [
  ["best", ranged(), "no user with ranges in /etc/subuid, or no newuidmap (Debian: uidmap)"],
  ["single", isRoot ? { uid: NOBODYS, gid: NOBODYS } : undefined, "not root"],
] as const) {
  const skip = noBusybox || (isRoot && !ownPrivileges().initial ? "inside already" : user ? false : why);
  test(`an ordinary user, ${kind === "best" ? "with ranges of ids" : "with a single id"}: the same tests`, { skip }, async (t) => {
    const out = await inside(user as User, (home) => {
      const options = { encoding: "utf8", env: variables(home), ...(isRoot ? user : {}) } as const;
      const { stdout, stderr } = spawnSync(process.execPath, [driver, kind, ...files], { ...options, timeout: BOUND });
      return stdout + stderr;
    });
    judge(t, out);
  });
}

for (const [what, user, why, ids] of [
  ["a range", ranged(), "no user with ranges in /etc/subuid, or no newuidmap (Debian: uidmap)", 2],
  ["a single id", isRoot ? { uid: NOBODYS, gid: NOBODYS } : undefined, "not root", 1],
] as const) {
  const skip = noBusybox || (isRoot && !ownPrivileges().initial ? "inside already" : user ? false : why);
  test(`a process goes into its user namespace and stays the same process: ${what}`, { skip }, async (t) => {
    const out = await inside(user as User, (home) => {
      const args = [join(import.meta.dirname, "testing/entering.ts"), "one", "and two"];
      const { stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: "utf8",
        timeout: 30_000,
        env: variables(home),
        ...(isRoot ? user : {}),
      });
      return stdout + stderr;
    });
    if (out.includes("no user namespace can be used here")) return t.skip(out);
    const found = JSON.parse(out) as { ids: number };
    assert.deepEqual(
      { ...found, ids: Math.min(found.ids, 2) },
      { mayMount: true, single: ids === 1, initial: false, same: true, args: ["one", "and two"], marks: [], ids },
    );
  });
}

for (const [what, user, why, ids] of [
  ["a range", ranged(), "no user with ranges in /etc/subuid, or no newuidmap (Debian: uidmap)", 2],
  ["a single id", isRoot ? { uid: NOBODYS, gid: NOBODYS } : undefined, "not root", 1],
] as const) {
  const skip = noBusybox || (isRoot && !ownPrivileges().initial ? "inside already" : user ? false : why);
  test(`a sandbox of an earlier call is entered from outside, and its user namespace joined: ${what}`, {
    skip,
    timeout: 60_000,
  }, async (t) => {
    await inside(user as User, (home) => {
      const call = (...words: string[]) => {
        const args = [join(import.meta.dirname, "testing/entered.ts"), ...words];
        const options = { encoding: "utf8", timeout: 30_000, env: variables(home), ...(isRoot ? (user as User) : {}) } as const;
        const { stdout, stderr } = spawnSync(process.execPath, args, options);
        if (stderr !== "") throw new Error(stderr);
        return JSON.parse(stdout) as Record<string, unknown>;
      };
      let first: Record<string, unknown>;
      try {
        first = call("start", home);
      } catch (error) {
        if (!/no user namespace can be used here/.test(`${error}`)) throw error;
        t.skip(`${error}`);
        return "";
      }
      try {
        const init = JSON.stringify(first["init"]);
        assert.deepEqual(call("exec", init), { out: `first\nsleep 60 0\n${ids === 1 ? 0 : 1}\n`, code: 6, inside: false });
        assert.deepEqual(call("join", init), { out: "first\nsleep 60 /target/bin/busybox\n1\n", err: "" });
      } finally {
        process.kill((first["monitor"] as { pid: number }).pid, "SIGKILL");
      }
      return "";
    });
  });
}

test("X12: without user namespaces the call that failed is told, and where to look", {
  skip: noBusybox || (ownPrivileges().initial && isRoot ? false : "not root"),
}, async () => {
  using box = new Box();
  const user = { uid: NOBODYS, gid: NOBODYS, groups: [] };
  const out = await inside(user, async (home) => {
    const shared = ["/usr", "/lib", "/lib64", "/etc", tmpdir(), join(import.meta.dirname, "../..")].filter((path) => existsSync(path));
    const mounts = shared.map((path) => ({ type: "bind", source: path, target: path, kind: "directory" }) as const);
    const env = Object.entries(variables(home)).map(([name, value]) => `${name}=${value}`);
    const result = await runCollecting(
      box.spec({ args: [process.execPath, join(import.meta.dirname, "testing/entering.ts")], env, mounts, user }),
    );
    return `${result.code} ${result.err}`;
  });
  assert.match(out, /^1 .*no user namespace can be used here: unshare \(user\): EPERM.*nought doctor/s);
});

test("X28: in a container that hides parts of /proc: the same tests", {
  skip: noBusybox || (ownPrivileges().initial && isRoot ? false : "not root"),
}, async (t) => {
  using box = new Box();
  const user = { uid: NOBODYS, gid: NOBODYS, groups: [] };
  const out = await inside(user, async (home) => {
    const shared = ["/usr", "/lib", "/lib64", "/etc", tmpdir(), join(import.meta.dirname, "../..")].filter((path) => existsSync(path));
    const mounts = shared.map((path) => ({ type: "bind", source: path, target: path, kind: "directory" }) as const);
    // Real runtimes want a /proc of their own.
    const env = Object.entries({ ...variables(home), NOUGHT_TEST_PROC: "shared" }).map(([name, value]) => `${name}=${value}`);
    const args = [process.execPath, driver, "single", ...files.slice(0, 1)];
    const result = await runCollecting(box.spec({ args, env, mounts, user, seccomp: false }));
    return result.out + result.err;
  });
  judge(t, out);
});
