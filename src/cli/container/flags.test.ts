import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readBytes, readCpus, readUlimit } from "./amount.ts";
import { readCapabilities } from "./capability-flag.ts";
import { readDetachKeys, untilKeys } from "./detach-keys.ts";
import { readMoment } from "./moment.ts";
import { readMount, readTmpfs, readVolume } from "./mount-flag.ts";
import { mergeVariables, readLabels, readVariables } from "./pairs-file.ts";
import { readExpose, readPublish } from "./port-flag.ts";
import { readSecurity } from "./security-flag.ts";

test("-v: binds, volumes, and what is neither", () => {
  assert.deepEqual(readVolume("/a:/b"), { type: "bind", source: "/a", target: "/b", readonly: false, create: true });
  assert.deepEqual(readVolume("/a:/b:ro,Z"), { type: "bind", source: "/a", target: "/b", readonly: true, create: true });
  assert.equal((readVolume("./a:/b") as { source: string }).source, join(process.cwd(), "a"));
  assert.deepEqual(readVolume("name:/b:nocopy"), { type: "volume", name: "name", target: "/b", readonly: false, copy: false });
  assert.deepEqual(readVolume("/only"), { type: "volume", target: "/only", readonly: false, copy: true });
  for (const bad of ["", ":", "a:", ":/b", "a:b", "a b:/b", "/a:/b:rx", "/a:/b:shared", "a:/b:ro:more"])
    assert.throws(() => readVolume(bad), { code: "USAGE" }, bad);
});

test("--mount and --tmpfs", () => {
  assert.deepEqual(readMount("type=bind,source=/a,destination=/b,ro"), {
    type: "bind",
    source: "/a",
    target: "/b",
    readonly: true,
    create: false,
  });
  assert.deepEqual(readMount("src=name,dst=/b,readonly=false"), {
    type: "volume",
    name: "name",
    target: "/b",
    readonly: false,
    copy: true,
  });
  assert.deepEqual(readMount('type=bind,"src=/a,b",dst=/c'), {
    type: "bind",
    source: "/a,b",
    target: "/c",
    readonly: false,
    create: false,
  });
  assert.deepEqual(readMount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700"), {
    type: "tmpfs",
    target: "/t",
    readonly: false,
    size: 1 << 20,
    mode: 0o700,
  });
  for (const bad of [
    "",
    "type=bind,dst=/b",
    "type=bind,src=/a",
    "dst=rel",
    "dst=/b,what=1",
    "dst=/b,ro=maybe",
    'dst=/b,"x',
    "type=bind,src=/a,dst=/b,bind-propagation=shared",
  ])
    assert.throws(() => readMount(bad), { code: "USAGE" }, bad);
  assert.deepEqual(readTmpfs("/t:size=64k,mode=1777,exec,uid=5"), {
    type: "tmpfs",
    target: "/t",
    readonly: false,
    size: 65_536,
    mode: 0o1777,
    noexec: false,
    uid: 5,
  });
  for (const bad of ["t", "/t:what", "/t:size=", "/t:mode=9"]) assert.throws(() => readTmpfs(bad), { code: "USAGE" }, bad);
});

test("-p and --expose", () => {
  assert.deepEqual(readPublish("8080:80"), [{ port: 80, protocol: "tcp", hostPort: 8080 }]);
  assert.deepEqual(readPublish("80"), [{ port: 80, protocol: "tcp", hostPort: 0 }]);
  assert.deepEqual(readPublish("127.0.0.1::53/udp"), [{ port: 53, protocol: "udp", hostPort: 0, host: "127.0.0.1" }]);
  assert.deepEqual(readPublish("[::1]:1:2"), [{ port: 2, protocol: "tcp", hostPort: 1, host: "::1" }]);
  assert.deepEqual(
    readPublish("7000-7002:8000-8002").map((one) => `${one.hostPort}:${one.port}`),
    ["7000:8000", "7001:8001", "7002:8002"],
  );
  for (const bad of ["", "x", "0", "65536", "80:", "1-2:1-3", "999.1.1.1:1:2", "name:1:2", "1:2:3:4", "80/sctp", "80/tcp/udp", "5-1"])
    assert.throws(() => readPublish(bad), { code: "USAGE" }, bad);
  assert.deepEqual(readExpose("80-81/udp"), ["80/udp", "81/udp"]);
  assert.throws(() => readExpose("http"), { code: "USAGE" });
});

test("sizes, processors, limits, capabilities, security", () => {
  assert.deepEqual(
    ["1", "1k", "1.5m", "2GiB", "3gb"].map((one) => readBytes(one, "-m")),
    [1, 1024, 1_572_864, 2 ** 31, 3 * 2 ** 30],
  );
  for (const bad of ["", "m", "-1", "1x", "1e3"]) assert.throws(() => readBytes(bad, "-m"), { code: "USAGE" }, bad);
  assert.equal(readCpus("1.5"), 1.5);
  assert.throws(() => readCpus("many"), { code: "USAGE" });
  assert.deepEqual(readUlimit("nofile=5:6"), { name: "nofile", soft: 5, hard: 6 });
  assert.deepEqual(readUlimit("core=-1"), { name: "core", soft: -1, hard: -1 });
  for (const bad of ["nofile", "nofile=", "nofile=6:5", "nofile=1:2:3", "nofile=x"])
    assert.throws(() => readUlimit(bad), { code: "USAGE" }, bad);
  assert.equal(readCapabilities([], [], false).length, 14);
  assert.deepEqual(readCapabilities(["net_admin"], ["ALL"], false), ["CAP_NET_ADMIN"]);
  assert.ok(!readCapabilities(["ALL"], ["CHOWN"], false).includes("CAP_CHOWN"));
  assert.throws(() => readCapabilities(["nosuch"], [], false), { code: "USAGE" });
  assert.deepEqual(readSecurity(["no-new-privileges", "seccomp=unconfined"], false), {
    seccomp: false,
    noNewPrivileges: true,
    unmasked: false,
  });
  assert.throws(() => readSecurity(["seccomp=/no/such/profile.json"], false), { code: "USAGE", message: /ENOENT/ });
  assert.throws(() => readSecurity(["seccomp=/etc/passwd"], false), { code: "USAGE", message: /it is no JSON/ });
  assert.throws(() => readSecurity(["apparmor=mine"], false), { code: "UNSUPPORTED" });
  assert.throws(() => readSecurity(["what"], false), { code: "USAGE" });
});

test("variables and labels of files and flags", () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-flags-"));
  try {
    const file = join(dir, "env");
    writeFileSync(file, '\ufeffA="quoted"\n  # no\n\nB=x=y\nFROM_CALLER\n');
    assert.deepEqual(readVariables([file], ["A=2", "MISSING"], { FROM_CALLER: "c" }), ['A="quoted"', "B=x=y", "FROM_CALLER=c", "A=2"]);
    assert.deepEqual(readLabels([file], ["k"]), { A: '"quoted"', B: "x=y", FROM_CALLER: "", k: "" });
    writeFileSync(file, "=value\n");
    assert.throws(() => readVariables([file], [], {}), { code: "USAGE" });
    assert.throws(() => readVariables([join(dir, "nosuch")], [], {}), { code: "STORAGE" });
  } finally {
    rmSync(dir, { recursive: true });
  }
  assert.throws(() => readVariables([], ["=x"], {}), { code: "USAGE" });
  assert.deepEqual(mergeVariables(["A=1", "B=2"], ["A=3", "C=4"]), ["A=3", "B=2", "C=4"]);
});

test("keys to leave: found across pieces, false starts handed on", async () => {
  async function through(...pieces: string[]): Promise<readonly [string, boolean]> {
    let left = false;
    let text = "";
    async function* input() {
      for (const piece of pieces) yield Buffer.from(piece);
    }
    for await (const piece of untilKeys(input(), readDetachKeys(undefined), () => (left = true))) text += Buffer.from(piece).toString();
    return [text, left];
  }
  assert.deepEqual(await through("ab\x10\x11cd"), ["ab", true]);
  assert.deepEqual(await through("ab\x10", "\x11"), ["ab", true]);
  assert.deepEqual(await through("a\x10b\x10\x10\x11"), ["a\x10b\x10", true]);
  assert.deepEqual(await through("\x11x"), ["\x11x", false]);
  assert.deepEqual([...readDetachKeys("ctrl-a,x")], [1, 120]);
  assert.throws(() => readDetachKeys("ctrl-"), { code: "USAGE" });
});

test("moments of --since", () => {
  assert.equal(readMoment(undefined, "since"), undefined);
  assert.equal(readMoment("2026-11-21T10:00:00.123456789Z", "since"), BigInt(Date.UTC(2026, 10, 21, 10)) * 1_000_000n + 123_456_789n);
  assert.equal(readMoment("1700000000", "since"), 1_700_000_000_000_000_000n);
  assert.throws(() => readMoment("soon", "since"), { code: "USAGE" });
});
