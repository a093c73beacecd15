import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { refused } from "../../../test/refused.ts";
import { type Files, type Outcome, Workbench } from "../../../test/workbench.ts";
import { Failure } from "../../kit/error.ts";
import { whyNot } from "../../sandbox/testing/box.ts";
import type { BuildRequest } from "../request.ts";

const skip = whyNot();
const BUSYBOX = readFileBusybox();
const BASE = `FROM scratch AS base
COPY --chmod=755 busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-c"]
RUN for p in sh ls cat echo true false id mkdir rm ln touch chmod chown stat sleep env test \\
  grep wc kill setsid nc readlink ps dd head printf find mv; do busybox ln -s busybox /bin/$p; done
SHELL ["/bin/sh", "-c"]
`;

function readFileBusybox(): Buffer {
  return existsSync("/bin/busybox") ? readFileSync("/bin/busybox") : Buffer.alloc(0);
}

class RunBench extends Workbench {
  /** Builds the lines on top of a stage with a shell. */
  async lines(text: string, request: Partial<BuildRequest> = {}, files: Files = {}): Promise<Outcome> {
    const context = this.folder("context", { busybox: BUSYBOX, ...files });
    return this.build(context, `${BASE}FROM base\n${text}`, { network: "none", ...request });
  }
}

/** Every path of a folder, whatever its name, and whether a text is in it. */
function holding(dir: string, marker: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() || one.name.includes(marker))
    .map((one) => join(one.parentPath, one.name))
    .filter((path) => path.includes(marker) || readFileSync(path).includes(marker));
}

test("X27: a secret reaches the step and nothing else: no layer, no key, no history, no log, no file of the store", { skip }, async () => {
  await using bench = new RunBench();
  const marker = "s3cret-marker-2b1f";
  writeFileSync(join(bench.dir, "secret"), marker);
  process.env["NOUGHT_TEST_SECRET"] = `${marker}-env`;
  try {
    const text = `RUN --mount=type=secret,id=file cat /run/secrets/file | wc -c > /n && stat -c '%a %u:%g' /run/secrets/file > /facts
RUN --mount=type=secret,id=variable,env=TOKEN test "$TOKEN" && echo \${#TOKEN} > /m
RUN --mount=type=secret,id=variable,target=/etc/t,mode=0440,uid=7,gid=8 stat -c '%a %u:%g' /etc/t > /facts2
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent && find / -name 'file' -o -name t -type f > /left; \\
  env > /env; ls -R /run > /run-dir 2>&1 || true
`;
    const request = { secrets: [`id=file,src=${join(bench.dir, "secret")}`, "id=variable,env=NOUGHT_TEST_SECRET"] };
    const built = await bench.lines(text, request);
    assert.equal((await built.text("/n")).trim(), String(marker.length));
    assert.equal((await built.text("/m")).trim(), String(marker.length + 4));
    assert.equal((await built.text("/facts")).trim(), "400 0:0");
    assert.equal((await built.text("/facts2")).trim(), "440 7:8");
    assert.equal(await built.get("/run/secrets"), undefined);
    assert.ok(!JSON.stringify(built.events).includes(marker), "no event tells it");
    assert.ok(!Buffer.from(built.result.assembled.configBytes).includes(marker), "no history has it");
    await (await bench.store).flush();
    assert.deepEqual(holding(bench.storeDir, marker), []);
    writeFileSync(join(bench.dir, "secret"), "another");
    assert.equal((await bench.lines(text, request)).cached.length, built.done.length, "another secret is no other step");
  } finally {
    delete process.env["NOUGHT_TEST_SECRET"];
  }
  await assert.rejects(bench.lines("RUN --mount=type=secret,id=gone,required true\n"), refused("NOT_FOUND", /secret gone: not found/));
});

test("a step is performed again when what it depends on changes, and only then", { skip }, async () => {
  await using bench = new RunBench();
  const text = "ARG A=1\nRUN --mount=type=bind,source=dir,target=/in cat /in/f > /out && echo $A >> /out\nRUN echo after > /after\n";
  const files = { dir: { f: "one\n" }, other: "x" };
  const first = await bench.lines(text, {}, files);
  assert.equal(await first.text("/out"), "one\n1\n");
  assert.equal((await bench.lines(text, {}, { ...files, other: "y" })).done.length, 0);
  assert.equal(await (await bench.lines(text, {}, { ...files, dir: { f: "two\n" } })).text("/out"), "two\n1\n");
  assert.equal(await (await bench.lines(text, { buildArgs: { A: "2" } }, files)).text("/out"), "one\n2\n");
  assert.deepEqual((await bench.lines(text, { noCache: true }, files)).cached, []);
  const proxied = await bench.lines(text, { buildArgs: { HTTP_PROXY: "http://p" } }, files);
  assert.equal(proxied.done.length, 0, "a proxy is no other step");
});

test("a step that fails says its command, its exit code and its place, and keeps nothing", { skip }, async () => {
  await using bench = new RunBench();
  await assert.rejects(bench.lines("RUN echo words >&2; exit 3\n"), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.message, 'process "/bin/sh -c echo words >&2; exit 3" did not complete successfully: exit code: 3');
    assert.match(error.excerpt ?? "", />>> RUN echo words/);
    assert.equal(error.exit, 8);
    return true;
  });
  const scratch = bench.build(bench.folder("empty", {}), "FROM scratch\nRUN echo x\n");
  await assert.rejects(scratch, refused("SANDBOX", /exec: "\/bin\/sh": stat \/bin\/sh: no such file or directory/, /./));
  await assert.rejects(bench.lines("USER nobody-there\nRUN true\n"), refused("NOT_FOUND", /unable to find user nobody-there/, /./));
  const store = await bench.store;
  assert.deepEqual(
    (await store.check()).filter((one) => one.level === "error"),
    [],
  );
});

test("X05: what a step leaves running is dead when the step is over", { skip }, async () => {
  await using bench = new RunBench();
  const built = await bench.lines("RUN (sleep 1000.7531 & ) ; setsid sleep 1000.7531 & echo started > /o\nRUN ps > /ps\n");
  assert.equal(await built.text("/o"), "started\n");
  assert.doesNotMatch(await built.text("/ps"), /1000\.7531/);
  const alive = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes("1000.7531"));
  assert.deepEqual(alive, []);
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

test("X07: writes to a mounted context are seen by the step alone", { skip }, async () => {
  await using bench = new RunBench();
  const files = { f: "theirs\n" };
  const built = await bench.lines(
    "RUN --mount=target=/c,rw echo mine > /c/f; echo new > /c/new; cat /c/f > /o\nRUN --mount=target=/c cat /c/f > /o2; ls /c/new > /o3 2>&1 || true\n",
    {},
    files,
  );
  assert.equal(await built.text("/o"), "mine\n");
  assert.equal(await built.text("/o2"), "theirs\n");
  assert.match(await built.text("/o3"), /No such file/);
  assert.equal(readFileSync(join(bench.dir, "context/f"), "utf8"), "theirs\n");
  assert.ok(!existsSync(join(bench.dir, "context/new")));
  assert.equal(await built.get("/c"), undefined, "and its mount point is in no layer");
  await assert.rejects(bench.lines("RUN --mount=target=/c echo mine > /c/f\n", {}, files), refused("SANDBOX", /exit code: 1/));
});

test("X07: what .dockerignore keeps out is not mounted", { skip }, async () => {
  await using bench = new RunBench();
  const built = await bench.lines("RUN --mount=target=/c ls /c > /o\n", {}, { ".dockerignore": "hidden\n", hidden: "x", shown: "y" });
  assert.match(await built.text("/o"), /shown/);
  assert.doesNotMatch(await built.text("/o"), /hidden/);
});

test("X08: links of the image at a mount's target or source lead inside the image", { skip }, async () => {
  await using bench = new RunBench();
  const outside = join(bench.dir, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "host"), "of the host");
  const built = await bench.lines(
    `RUN mkdir -p /real && ln -s /real /link && ln -s ${outside} /escape && mkdir -p /d && ln -s ../../../../../../../.. /d/up
RUN --mount=type=tmpfs,target=/link/in echo x > /link/in/x; ls /real > /o
`,
  );
  assert.equal(await built.text("/o"), "in\n");
  const from = bench.lines(`RUN ln -s ${outside} /escape\nFROM base\nRUN --mount=from=1,source=/escape,target=/in ls /in > /o\n`);
  await assert.rejects(from, refused("NOT_FOUND", /escape/));
  await assert.rejects(bench.lines("RUN --mount=type=cache,id=../x,target=/c true\n"), refused("SYNTAX", /invalid mount id/));
  const cached = await bench.lines(
    `RUN ln -s ${outside} /cache\nRUN --mount=type=cache,target=/cache/deep touch /cache/deep/x; ls ${outside} > /o 2>&1 || true\n`,
  );
  assert.doesNotMatch(await cached.text("/o"), /host/);
  assert.deepEqual(readdirSync(outside), ["host"]);
});

test("X09: a step cannot make us delete or create files of the host by replacing its mount points", { skip }, async () => {
  await using bench = new RunBench();
  const victim = join(bench.dir, "victim");
  mkdirSync(victim);
  writeFileSync(join(victim, "f"), "kept");
  await bench
    .lines(
      `RUN --mount=type=tmpfs,target=/m/deep mv /m /n 2> /dev/null; rm -rf /m 2> /dev/null; ln -s ${victim} /m 2> /dev/null; true\nRUN --mount=type=tmpfs,target=/m/deep2 true\n`,
    )
    .catch(() => {});
  assert.deepEqual(readdirSync(victim), ["f"]);
  assert.equal(readFileSync(join(victim, "f"), "utf8"), "kept");
});

test("X10: odd working directories end inside the image or with words", { skip }, async () => {
  await using bench = new RunBench();
  for (const dir of ["/proc/self/fd/7", "/proc/1/cwd", "/dev/fd/3"])
    await assert.rejects(bench.lines(`WORKDIR ${dir}\nRUN ls > /o\n`), (error: unknown) => error instanceof Failure);
  await assert.rejects(bench.lines(`WORKDIR /${"x".repeat(5000)}\nRUN true\n`), (error: unknown) => error instanceof Failure);
  await assert.rejects(bench.lines("RUN touch /f\nWORKDIR /f\nRUN true\n"), (error: unknown) => error instanceof Failure);
});

test("X24: mounts of the engine leave nothing in a layer, whatever the image lacks", { skip }, async () => {
  await using bench = new RunBench();
  const built = await bench.lines(
    "RUN test -c /dev/null && test -e /proc/self && test -d /sys/kernel && cat /etc/hosts /etc/resolv.conf > /dev/null\nRUN --mount=type=tmpfs,target=/a/b/c --mount=type=cache,target=/root/.cache true\n",
  );
  const paths = (await built.entries()).map((entry) => entry.path as string);
  assert.deepEqual(
    paths.filter((path) => !path.startsWith("/bin")),
    [],
  );
});

test("tmpfs, network and cache mounts are what they are called", { skip }, async () => {
  await using bench = new RunBench();
  const cache = "RUN --mount=type=cache,target=/c,id=c cat /c/n > /o 2> /dev/null; echo x >> /c/n\n";
  assert.equal(
    (
      await (await bench.lines(`${cache}RUN --mount=type=cache,target=/elsewhere,id=c wc -l < /elsewhere/n > /lines\n`)).text("/lines")
    ).trim(),
    "1",
  );
  assert.equal(await (await bench.lines(cache, { noCache: true })).text("/o"), "x\n", "the next build finds it");
  const net = await bench.lines("RUN --network=none ls /sys/class/net > /n\n", { network: "host" });
  assert.equal(await net.text("/n"), "lo\n");
  await assert.rejects(bench.lines("RUN --network=host true\n"), refused("PLAN", /network.host is not allowed/, /--allow network.host/));
  await assert.rejects(bench.lines("RUN --security=insecure true\n"), refused("PLAN", /security.insecure is not allowed/));
  const tmpfs = await bench.lines("RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/x bs=1M count=3 2> /o || true\n");
  assert.match(await tmpfs.text("/o"), /No space left/);
});

test("an SSH agent is there for the step that asks for it", { skip }, async () => {
  await using bench = new RunBench();
  const socket = join(bench.dir, "agent.sock");
  const agent = createServer((client) => client.once("data", (data) => client.end(`heard ${data}`)));
  await new Promise<void>((resolve) => agent.listen(socket, resolve));
  try {
    const line =
      'RUN --mount=type=ssh echo "$SSH_AUTH_SOCK" > /path && test -S "$SSH_AUTH_SOCK" && stat -c "%a %u:%g" "$SSH_AUTH_SOCK" > /facts\nRUN --mount=type=ssh,id=x,target=/a.sock,mode=666,uid=5 stat -c "%a %u:%g" /a.sock > /facts2\n';
    const built = await bench.lines(line, { ssh: [`default=${socket}`, `x=${socket}`] });
    assert.equal(await built.text("/path"), "/run/buildkit/ssh_agent.0\n");
    assert.equal(await built.text("/facts"), "600 0:0\n");
    assert.equal(await built.text("/facts2"), "666 5:0\n");
    await assert.rejects(bench.lines("RUN --mount=type=ssh,required true\n"), refused("NOT_FOUND", /no SSH agent or key/, /--ssh default/));
    await bench.lines("RUN --mount=type=ssh true\n");
  } finally {
    agent.close();
  }
});

test("SOURCE_DATE_EPOCH reaches the step, and no time in its layer is later", { skip }, async () => {
  await using bench = new RunBench();
  const text = "RUN echo $SOURCE_DATE_EPOCH > /e && mkdir /d && touch /d/f && touch -d @5 /old\n";
  const one = await bench.lines(text, { sourceDateEpoch: 1_000_000 });
  assert.equal(await one.text("/e"), "1000000\n");
  for (const path of ["/e", "/d", "/d/f"]) assert.equal((await one.get(path))?.mtime, 1_000_000);
  assert.equal((await one.get("/old"))?.mtime, 5);
  const again = await bench.lines(text, { sourceDateEpoch: 1_000_000, noCache: true });
  assert.equal(again.digest, one.digest, "and the image is the same, byte for byte");
});

test("two stages run side by side; the failure of one ends the other", { skip }, async () => {
  await using bench = new RunBench();
  const started = performance.now();
  const text =
    "FROM base AS a\nRUN sleep 30; touch /a\nFROM base AS b\nRUN sleep 0.1; exit 5\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n";
  const context = bench.folder("context", { busybox: BUSYBOX });
  await assert.rejects(bench.build(context, `${BASE}${text}`, { network: "none" }), refused("SANDBOX", /exit code: 5/));
  assert.ok(performance.now() - started < 20_000);
});

test("X08: a folder of the context that is a link to the host is not followed by a mount", { skip }, async () => {
  await using bench = new RunBench();
  const context = bench.folder("context", { busybox: BUSYBOX });
  mkdirSync(join(bench.dir, "outside"));
  writeFileSync(join(bench.dir, "outside/host"), "of the host");
  symlinkSync(join(bench.dir, "outside"), join(context, "link"));
  const mounted = bench.build(context, `${BASE}FROM base\nRUN --mount=source=link,target=/in ls /in > /o\n`, { network: "none" });
  await assert.rejects(mounted, (error: unknown) => error instanceof Failure);
});
