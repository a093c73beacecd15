/** RUN through the command line: failures, shells in failed steps, kills, and the same layers whoever builds. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { assertWhole } from "../builds.ts";
import { BUSYBOX } from "../golden/case.ts";
import { type Ids, ordinaryUser } from "../ordinary-user.ts";
import { program } from "../program.ts";

const skip = whyNot();
const nought = await program();
const base = `FROM scratch AS base
COPY --chmod=755 busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-c"]
RUN for p in sh ls cat echo true false id mkdir rm ln touch chmod chown stat sleep test; do busybox ln -s busybox /bin/$p; done
SHELL ["/bin/sh", "-c"]
FROM base
`;

/** Writes a context with a Dockerfile; the result is its name. */
function context(name: string, lines: string): string {
  nought.write({ [`${name}/Dockerfile`]: base + lines });
  copyFileSync(BUSYBOX, join(nought.dir, name, "busybox"));
  return name;
}

test("a step that fails: its output, its command, its lines and exit code 8", { skip }, () => {
  const ran = nought.run(["build", "--network=none", context("fails", "RUN echo one; echo two >&2; exit 7\n")]);
  assert.equal(ran.status, 8);
  assert.match(ran.stderr, / > \[stage-1 2\/2\] RUN echo one; echo two >&2; exit 7:\none\ntwo\n------\nDockerfile:7\n/);
  assert.match(ran.stderr, />>> RUN echo one; echo two >&2; exit 7\n/);
  assert.match(ran.stderr, /ERROR: process "\/bin\/sh -c echo one; echo two >&2; exit 7" did not complete successfully: exit code: 7\n/);
  assert.match(ran.stderr, /--debug-on-failure/);
});

test("--debug-on-failure: a shell in the failed step's root, with what it left, also where the stage has no shell", { skip }, () => {
  const input = "cat /left; busybox id; exit 5\n";
  const own = nought.run(["build", "--network=none", "--debug-on-failure", context("own", "RUN echo left-behind > /left; exit 4\n")], {
    input,
  });
  assert.equal(own.status, 8, "the build fails whatever the shell says");
  assert.equal(own.stdout, "left-behind\nuid=0 gid=0 groups=0\n");
  nought.write({ "bare/Dockerfile": 'FROM scratch\nCOPY Dockerfile /left\nRUN ["/nothing"]\n' });
  const bare = nought.run(["build", "--network=none", "--debug-on-failure", "bare"], { input: "ls /; head -n 1 /left\n" });
  assert.match(bare.stdout, /^dev\netc\nleft\nproc\nsys\nFROM scratch\n$/m);
  assert.match(bare.stderr, /exec: "\/nothing": stat \/nothing: no such file or directory/);
});

const WORK = `RUN mkdir -p /d/sub && echo x > /d/f && chmod 4750 /d/f && ln -s f /d/l && ln /d/f /d/h && chown 33:44 /d/f && chown 1000:1001 /d/sub
RUN rm -r /d/sub && mkdir /d/sub && touch /d/sub/new && chown 7 /d/sub/new
RUN rm /d/h && chmod 711 /d && echo more >> /d/f
USER 1000:1000
RUN test -e /d/sub/new
`;

for (const ids of ["ranges", "single"] satisfies Ids[]) {
  test(`root and an ordinary user (${ids}) make the same layers`, { skip }, (t) => {
    const user = ordinaryUser(ids, dirname(nought.dir));
    if (typeof user === "string") return t.skip(user);
    const name = context(`same-${ids}`, WORK);
    const flags = ["build", "-q", "--no-cache", "--network=none", "--source-date-epoch=1000000", name];
    const mine = nought.out(...flags);
    chmodSync(dirname(nought.dir), 0o755);
    const [node = "", ...words] = nought.command;
    const env = { ...nought.env, NOUGHT_STORE: join(user.home, "store"), TMPDIR: user.home };
    const [first = "", ...prefix] = user.prefix;
    const theirs = spawnSync(first, [...prefix, node, ...words, ...flags], { cwd: nought.dir, env, encoding: "utf8", timeout: 60_000 });
    assert.equal(theirs.status, 0, theirs.stderr);
    assert.equal(theirs.stdout, mine, "image IDs");
  });
}

test("X15: kill -9 in the middle of a RUN leaves no process, no mount, and a store that works on", { skip }, async () => {
  const name = context("killed", "RUN touch /a; sleep 1000.2468\n");
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n").length;
  for (const after of [150, 300, 450, 700]) {
    const child = nought.start(["build", "--no-cache", "--network=none", name]);
    await wait(after);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
  }
  await wait(300);
  const left = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes("1000.2468"));
  assert.deepEqual(left, []);
  assert.equal(readFileSync("/proc/self/mountinfo", "utf8").split("\n").length, mounts);
  nought.out("build", "-q", "--network=none", context("after", "RUN echo fine > /f\n"));
  await assertWhole(nought.env["NOUGHT_STORE"] as string, "after the kills");
  const tmp = join(nought.env["NOUGHT_STORE"] as string, "tmp");
  assert.deepEqual(
    readdirSync(tmp).filter((one) => !one.startsWith(".")),
    [],
    "what they left is swept",
  );
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

test("X04: endless output is shown and ends with the build, and a signal ends a step", { skip }, async () => {
  const child = nought.start([
    "build",
    "--no-cache",
    "--network=none",
    "--progress=plain",
    context("endless", "RUN while :; do echo endless-line; done\n"),
  ]);
  const enough = Promise.withResolvers<void>();
  let bytes = 0;
  child.stderr?.on("data", (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > 1 << 20) enough.resolve();
  });
  await enough.promise;
  child.kill("SIGINT");
  const code = await new Promise((resolve) => child.once("exit", resolve));
  assert.equal(code, 130);
});
