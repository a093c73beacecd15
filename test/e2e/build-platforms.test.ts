/** Builds for several platforms at once, as whole programs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertWhole } from "../builds.ts";
import { program } from "../program.ts";

const nought = await program();
const store = nought.env["NOUGHT_STORE"] as string;

const CROSS = `FROM --platform=$BUILDPLATFORM scratch AS builder
COPY sources /src/
FROM scratch
ARG TARGETPLATFORM
ARG TARGETOS
ARG TARGETARCH
ARG TARGETVARIANT
ARG BUILDPLATFORM
COPY --from=builder /src /bin/
COPY <<E /for
$TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT built on $BUILDPLATFORM
E
`;
nought.write({ "cross/Dockerfile": CROSS, "cross/sources/a": "a".repeat(100_000) });
const THREE = ["--platform", "linux/amd64,linux/arm64", "--platform", "linux/arm/v7"];

interface Index {
  mediaType: string;
  manifests: { digest: string; size: number; platform: { os: string; architecture: string; variant?: string } }[];
}
const indexOf = (name: string) => JSON.parse(nought.out("manifest", "get", name)) as Index;

test("three platforms become one index, in the order they were asked for, and every image is whole", async () => {
  const ran = nought.run(["build", "--progress", "plain", ...THREE, "-t", "cross:1", "--metadata-file", "md", "--iidfile", "iid", "cross"]);
  assert.equal(ran.status, 0, ran.stderr);
  const index = indexOf("cross:1");
  assert.deepEqual(
    index.manifests.map((one) => one.platform),
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "arm64", os: "linux" },
      { architecture: "arm", os: "linux", variant: "v7" },
    ],
  );
  for (const [platform, architecture] of [
    ["linux/amd64", "amd64"],
    ["linux/arm64", "arm64"],
    ["linux/arm/v7", "arm"],
  ] as const)
    assert.equal(nought.out("image", "inspect", "--platform", platform, "--format", "{{.Architecture}}", "cross:1").trim(), architecture);
  const digest = readFileSync(join(nought.dir, "iid"), "utf8");
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.equal((JSON.parse(readFileSync(join(nought.dir, "md"), "utf8")) as Record<string, string>)["containerimage.digest"], digest);
  await assertWhole(store, "after three platforms");
});

test("a stage for the build platform is performed once, with --no-cache too", () => {
  const ran = nought.run(["build", "--progress", "plain", "--no-cache", ...THREE, "-t", "cross:1", "cross"]);
  const performed = (text: string) =>
    [...ran.stderr.matchAll(/^#(\d+) \[(linux\/\S+) (?:builder|stage-1) \d\/\d\] (.*)$/gm)]
      .filter(([, , , label]) => label?.startsWith(text))
      .map(([, number]) => number as string)
      .filter((number, at, all) => all.indexOf(number) === at && !ran.stderr.includes(`#${number} CACHED`));
  assert.equal(performed("COPY sources").length, 1, ran.stderr);
  assert.equal(performed("COPY <<E").length, 3);
});

test("an unchanged build of several platforms is the same, and wholly cached", () => {
  const first = indexOf("cross:1");
  const ran = nought.run(["build", "--progress", "plain", ...THREE, "-t", "cross:2", "cross"]);
  assert.deepEqual(indexOf("cross:2"), first);
  assert.doesNotMatch(ran.stderr, /\] COPY.*\n#\d+ DONE/);
});

test("files of several platforms are in a folder each", () => {
  nought.out("build", ...THREE, "-o", "out", "-o", "type=tar,dest=out.tar", "cross");
  const of = (platform: string) => readFileSync(join(nought.dir, "out", platform, "for"), "utf8");
  assert.match(of("linux_amd64"), /^linux\/amd64 linux amd64 {2}built on linux\//);
  assert.match(of("linux_arm_v7"), /^linux\/arm\/v7 linux arm v7 built on linux\//);
  const members = spawnSync("tar", ["tf", join(nought.dir, "out.tar")], { encoding: "utf8" }).stdout.split("\n");
  assert.deepEqual(
    members.filter((one) => one.endsWith("/for")),
    ["linux_amd64/for", "linux_arm64/for", "linux_arm_v7/for"],
  );
});

test("type=oci holds the index; type=docker says that it cannot, before anything is built", () => {
  nought.out("build", ...THREE, "-t", "cross:1", "-o", "type=oci,dest=all.tar", "cross");
  const raw = spawnSync("skopeo", ["inspect", "--raw", `oci-archive:${join(nought.dir, "all.tar")}`], { encoding: "utf8" });
  if (!raw.error) assert.equal((JSON.parse(raw.stdout) as Index).manifests.length, 3);
  nought.out("load", "-i", "all.tar");
  const docker = nought.run(["build", "--progress", "plain", ...THREE, "-o", "type=docker,dest=no.tar", "cross"]);
  assert.equal(docker.status, 1);
  assert.match(docker.stderr, /docker exporter does not currently support exporting manifest lists/);
  assert.doesNotMatch(docker.stderr, /COPY/);
  assert.ok(!existsSync(join(nought.dir, "no.tar")));
  // One platform is no list.
  nought.out("build", "--platform", "linux/arm64", "-o", "type=docker,dest=one.tar", "cross");
});

test("one platform that fails names nothing and stops the others", () => {
  nought.write({ "half/Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY for-$TARGETARCH /x\n", "half/for-amd64": "x" });
  const ran = nought.run(["build", "--platform", "linux/amd64,linux/arm64", "-t", "half:1", "half"]);
  assert.equal(ran.status, 1);
  assert.match(ran.stderr, /for-arm64/);
  assert.equal(nought.run(["image", "inspect", "half:1"]).status, 1);
});

test("a program for another processor is told with what would help", (context) => {
  if (process.arch !== "x64" || existsSync("/proc/sys/fs/binfmt_misc/status")) return context.skip("an emulator may be registered here");
  nought.write({ "foreign/Dockerfile": 'FROM scratch\nCOPY --chmod=755 a /a\nRUN ["/a"]\n', "foreign/a": arm64Program() });
  const ran = nought.run(["build", "--platform", "linux/arm64", "foreign"]);
  assert.notEqual(ran.status, 0);
  if (/cannot be performed/.test(ran.stderr)) return context.skip("no sandbox here");
  assert.match(ran.stderr, /exec format error: this machine is linux\/amd64, and no emulator for linux\/arm64/);
  assert.match(ran.stderr, /qemu-user/);
});

test("with an emulator that is registered for a namespace of its own, foreign RUN works", (context) => {
  const script = `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf '%s' ':test:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:/usr/bin/qemu-aarch64-static:F' > /proc/sys/fs/binfmt_misc/register`;
  const can = existsSync("/usr/bin/qemu-aarch64-static") && process.arch === "x64";
  if (!can || spawnSync("unshare", ["-Urm", "sh", "-c", script]).status !== 0) return context.skip("no emulator to register here");
  nought.write({ "foreign/Dockerfile": 'FROM scratch\nCOPY --chmod=755 a /a\nRUN ["/a"]\n', "foreign/a": arm64Program() });
  const line = [...nought.command, "build", "--progress", "plain", "--no-cache", "--platform", "linux/arm64", "foreign"];
  const ran = spawnSync("unshare", ["-Urm", "sh", "-c", `${script} && exec "$@"`, "sh", ...line], {
    cwd: nought.dir,
    env: { ...nought.env, NOUGHT_STORE: join(nought.dir, "own-store") },
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stderr, /RUN \["\/a"\]\n(?:#.*\n)*#\d+ DONE/);
});

/** A program for arm64 that does nothing but end: exit(0). */
function arm64Program(): Buffer {
  const code = Buffer.from("a80b8052000080d2010000d4", "hex");
  const header = Buffer.alloc(120);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  for (const [at, value] of [
    [16, 2],
    [18, 183],
    [20, 1],
    [52, 64],
    [54, 56],
    [56, 1],
    [64, 1],
    [68, 5],
  ] as const)
    header.writeUInt16LE(value, at);
  for (const [at, value] of [
    [24, 0x400078],
    [32, 64],
    [80, 0x400000],
    [88, 0x400000],
    [96, 132],
    [104, 132],
    [112, 0x1000],
  ] as const)
    header.writeUInt32LE(value, at);
  return Buffer.concat([header, code]);
}
