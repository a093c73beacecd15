import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program } from "../program.ts";

const nought = await program();
const STORE = nought.env["NOUGHT_STORE"] as string;
const BUSYBOX = "/bin/busybox";
const isRoot = process.platform === "linux" && process.getuid?.() === 0;
const skip = isRoot ? (existsSync(BUSYBOX) ? false : "no static busybox") : "not root";

const run = (what: string, ...more: string[]) =>
  ["FROM scratch", "COPY --chmod=755 busybox /bin/busybox", 'SHELL ["/bin/busybox","sh","-c"]', ...more, what, ""].join("\n");
const build = (name: string, dockerfile: string, ...args: string[]) => {
  nought.write({ [`${name}/Dockerfile`]: dockerfile });
  writeFileSync(join(nought.dir, `${name}/busybox`), readFileSync(BUSYBOX));
  const { status, stderr } = nought.run(["build", "--progress", "plain", ...args, "-t", name, name]);
  assert.equal(status, 0, stderr);
  return stderr;
};
const MOUNT = "--mount=type=cache,id=go,target=/c";
const FILL = `RUN ${MOUNT} cd /c; b=/bin/busybox; echo hello >a; $b chmod 4750 a; $b chown 12:34 a; $b chmod 4750 a; $b ln a b; $b mkdir -m 700 d; $b mkfifo f`;
const LIST = `RUN ${MOUNT} /bin/busybox stat -c '%n %a %u:%g %h' /c/* && /bin/busybox cat /c/a`;

test("a cache mount is listed, exported, pruned, imported, and is what it was", { skip }, () => {
  build("fill", run(FILL), "--no-cache");
  assert.match(
    nought.out("cache", "ls", "--filter", "type=exec.cachemount"),
    /^ID +TYPE +RECLAIMABLE +SIZE +LAST ACCESSED +DESCRIPTION\n[0-9a-f]{12} +exec\.cachemount +true +\S+B +\S.* +cache mount go .*\nReclaimable: +\S+B\nTotal: +\S+B\n$/,
  );
  assert.match(nought.out("system", "df"), /^Unpacked Layers +\d+ +0 +\S+MB +0B$/m);
  const before = build("look", run(LIST), "--no-cache");
  assert.match(before, /\/c\/a 4750 12:34 2\n[^]*\/c\/b 4750 12:34 2\n[^]*\/c\/d 700 0:0 [^]*\/c\/f 644 0:0 1\n[^]*hello/);
  nought.out("cache", "export", "caches.tar");
  nought.out("cache", "export", "--id", "go", "again.tar");
  assert.deepEqual(readFileSync(join(nought.dir, "caches.tar")).length, readFileSync(join(nought.dir, "again.tar")).length);
  nought.out("cache", "export", "caches/");
  assert.deepEqual(readdirSync(join(nought.dir, "caches")).sort(), ["blobs", "index.json", "oci-layout"]);
  assert.match(nought.out("cache", "prune", "-f", "--filter", "id=go"), /exec\.cachemount[^]*cache mount go[^]*\nTotal:/);
  assert.equal(nought.out("cache", "ls", "-q", "--filter", "type=exec.cachemount"), "");
  for (const from of ["caches.tar", "caches"]) {
    assert.equal(nought.out("cache", "import", "--replace", from), `go: ${from === "caches" ? "replaced" : "imported"}\n`);
    const after = build("look", run(LIST), "--no-cache");
    const facts = (text: string) => text.split("\n").flatMap((line) => /\/c\/.*|hello$/.exec(line)?.[0] ?? []);
    assert.deepEqual(facts(after), facts(before));
  }
  assert.equal(nought.out("cache", "import", "caches"), "go: is there already (--replace takes the archive's)\n");
});

test("an archive with a flipped byte, or of another kind, is refused, and nothing of it stays", { skip }, () => {
  const folder = join(nought.dir, "caches/blobs/sha256");
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const bytes = readFileSync(file);
    // The empty configuration says nothing, so nobody reads it.
    if (bytes.length === 2) continue;
    const broken = Buffer.from(bytes);
    broken[bytes.length >> 1] = (broken[bytes.length >> 1] as number) ^ 1;
    writeFileSync(file, broken);
    const { status, stderr } = nought.run(["cache", "import", "--replace", "caches"]);
    assert.ok(status === 1 || status === 4, stderr);
    writeFileSync(file, bytes);
  }
  nought.write({ "none/index.json": "{}" });
  assert.match(nought.run(["cache", "import", "none"]).stderr, /holds no manifest/);
  assert.match(nought.run(["cache", "import", "nowhere"]).stderr, /no such file/);
  assert.deepEqual(
    readdirSync(join(STORE, "mounts")).filter((name) => name.startsWith("half-")),
    [],
  );
});

test("prune keeps what --keep-storage leaves room for, and unpacked layers go with their layers", { skip }, () => {
  const fill = (id: string) => `RUN --mount=type=cache,id=${id},target=/c /bin/busybox dd if=/dev/zero of=/c/x bs=1M count=2`;
  build("two", run(fill("new"), fill("old")), "--no-cache");
  assert.match(nought.out("cache", "prune", "-f", "--filter", "type=exec.cachemount", "--keep-storage", "100gb"), /^Total:\s+\S+B\n$/);
  nought.out("cache", "prune", "-f", "--filter", "type=exec.cachemount", "--filter", "id=old");
  const left = nought.out("cache", "ls", "--format", "{{.Description}}", "--filter", "type=exec.cachemount");
  assert.ok(left.includes("cache mount new") && !left.includes("cache mount old"), left);
  const lowers = () => readdirSync(join(STORE, "rootfs/root")).filter((name) => name.length === 64);
  assert.ok(lowers().length > 0);
  nought.out("system", "prune", "-a", "-f");
  assert.deepEqual(lowers(), []);
  assert.equal(lstatSync(join(STORE, "mounts")).isDirectory(), true);
  assert.equal(nought.out("cache", "ls", "-q"), "");
  assert.match(nought.run(["cache", "prune", "--filter", "colour=red"]).stderr, /invalid filter 'colour'/);
});
