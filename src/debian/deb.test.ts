import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { createTask } from "../task/task.ts";
import type { Entry } from "../tree/entry.ts";
import { readDeb } from "./deb.ts";
import { DebContents, inMemory } from "./deb-contents.ts";
import type { LockEntry } from "./face.ts";
import { debMembers, type Member, makeAr, makeDeb, makeTar } from "./testing/make-deb.ts";

async function* pieces(bytes: Buffer, size = 65_536) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const read = (bytes: Buffer, size?: number, expect?: LockEntry) => readDeb(pieces(bytes, size), "x.deb", inMemory(), createTask(), expect);

async function refused(bytes: Buffer, message: RegExp, codes = ["PACKAGE", "TAR", "COMPRESSION", "LIMIT"]): Promise<void> {
  await assert.rejects(read(bytes), (error) => {
    assert(error instanceof Failure, `a Failure and not ${error}`);
    assert(codes.includes(error.code), `${error.code}: ${error.message}`);
    assert.match(error.message, message);
    return true;
  });
}

const FILES: readonly Member[] = [
  { path: "./" },
  { path: "./usr/" },
  { path: "./usr/bin/" },
  { path: "./usr/bin/hello", text: "hello\n", mode: 0o755 },
  { path: "./usr/bin/hi", type: "symlink", link: "hello" },
];

const shown = (draft: readonly Entry[]) => draft.map((entry) => `${entry.kind} ${entry.path} ${entry.mode.toString(8)}`);

test("D23: packages compressed with gzip, zstd or nothing are read into drafts, whatever pieces they come in", async () => {
  for (const compression of ["none", "gz", "zst"] as const) {
    const bytes = await makeDeb({ files: FILES, compression, scripts: { postinst: "#!/bin/sh\ntouch /canary\n" } });
    for (const size of [1, 61, 65_536]) {
      const deb = await read(bytes, size);
      assert.equal(`${deb.name} ${deb.version} ${deb.architecture}`, "x 1.0-1 all");
      assert.deepEqual(shown(deb.draft), [
        "dir / 755",
        "dir /usr 755",
        "dir /usr/bin 755",
        "file /usr/bin/hello 755",
        "symlink /usr/bin/hi 644",
      ]);
      const hello = deb.draft.find((entry) => entry.path === "/usr/bin/hello");
      assert(hello?.kind === "file" && hello.content.in === "memory");
      assert.equal(Buffer.from(hello.content.bytes).toString(), "hello\n");
      assert.match(deb.files.get("postinst")?.toString() ?? "", /canary/);
    }
  }
  assert(!existsSync("/canary"));
});

test("a package made by dpkg-deb is read as dpkg sees it", async (t) => {
  if (spawnSync("dpkg-deb", ["--version"]).status !== 0) return t.skip("there is no dpkg-deb on this machine");
  const dir = mkdtempSync(join(tmpdir(), "nought-deb-"));
  try {
    spawnSync("sh", ["-ec", "mkdir -p p/DEBIAN p/opt/x; echo data > p/opt/x/data; ln p/opt/x/data p/opt/x/again"], { cwd: dir });
    writeFileSync(join(dir, "p/DEBIAN/control"), "Package: y\nVersion: 2\nArchitecture: amd64\nMaintainer: N\nDescription: d\n more\n");
    for (const kind of ["xz", "gzip", "zstd", "none"]) {
      const made = spawnSync("dpkg-deb", ["--root-owner-group", `-Z${kind}`, "-b", "p", "p.deb"], { cwd: dir, encoding: "utf8" });
      if (made.status !== 0) continue;
      const { readFileSync } = await import("node:fs");
      const deb = await read(readFileSync(join(dir, "p.deb")));
      assert.equal(deb.fields.get("description"), "d\nmore");
      const kinds = deb.draft.filter((entry) => entry.path.startsWith("/opt/x/")).map((entry) => entry.kind);
      assert.deepEqual(kinds.sort(), ["file", "hardlink"]);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("D15: an ar archive that is damaged in any way is refused", async () => {
  const [binary, control, data] = await debMembers({ files: FILES });
  const good = makeAr([binary, control, data]);
  const spoilt = (spoil: (text: string) => string) => makeAr([binary, control, [data[0], data[1], spoil]]);
  await refused(makeAr([binary, control, data], "!<arc#>\n"), /does not begin as a Debian package/);
  await refused(Buffer.alloc(0), /does not begin/);
  await refused(Buffer.from("!<arch>\n"), /it is empty/);
  await refused(
    spoilt((text) => `${text.slice(0, 48)}${"-5".padEnd(10)}\`\n`),
    /size of data.tar is not a number/,
  );
  await refused(
    spoilt((text) => `${text.slice(0, 48)}${"0x10".padEnd(10)}\`\n`),
    /not a number/,
  );
  await refused(
    spoilt((text) => `${text.slice(0, 48)}9999999999\`\n`),
    /ends in the middle of data.tar/,
  );
  await refused(
    spoilt((text) => `${text.slice(0, 58)}xx`),
    /header is damaged/,
  );
  await refused(
    spoilt((text) => `../../etc/passwd${text.slice(16)}`),
    /a member is called/,
  );
  await refused(Buffer.from(good.subarray(0, good.length - 700)), /ends in the middle of data.tar/);
  await refused(Buffer.from(good.subarray(0, 8 + 60 + 4 + 30)), /middle of a header/);
  await refused(makeAr([control, data]), /first member is not debian-binary/);
  await refused(makeAr([binary, data, control]), /the member data.tar where its control should be/);
  await refused(makeAr([binary, control]), /no data member/);
  await refused(makeAr([binary]), /no control member/);
  await refused(makeAr([binary, control, control]), /control.tar where its data should be/);
  await refused(makeAr([binary, control, data, data]), /after its data/);
  await refused(makeAr([["debian-binary", Buffer.from("3.0\n")], control, data]), /its format is "3.0"/);
  await refused(
    makeAr([binary, ...Array.from({ length: 20 }, () => ["_x", Buffer.from("")] as const), control, data]),
    /more than 16 members/,
  );
});

test("D15: odd lengths, a missing last padding byte and members with an underscore are accepted", async () => {
  const [binary, control, data] = await debMembers({ files: FILES });
  const deb = await read(
    makeAr([binary, ["_extra", Buffer.from("odd")], control, ["_more", Buffer.from("12345")], data, ["_sig", Buffer.from("z")]]),
  );
  assert.equal(deb.draft.length, 5);
  const whole = makeAr([binary, control, data, ["_sig", Buffer.from("z")]]);
  assert.equal((await read(whole.subarray(0, whole.length - 1))).draft.length, 5);
});

test("D16: a package that calls itself something else than the index does is refused", async () => {
  const bytes = await makeDeb({ files: FILES });
  const entry: LockEntry = {
    name: "x",
    version: "1.0-1",
    architecture: "all",
    suite: "test",
    path: "pool/x.deb",
    size: bytes.length,
    sha256: hexOf(digestOf(bytes)),
  };
  assert.equal((await read(bytes, 1000, entry)).name, "x");
  await assert.rejects(read(bytes, 1000, { ...entry, version: "1.0-2" }), /its version is 1.0-1, the index says 1.0-2/);
  await assert.rejects(read(bytes, 1000, { ...entry, name: "z" }), { code: "PACKAGE" });
  await assert.rejects(read(bytes, 1000, { ...entry, architecture: "amd64" }), { code: "PACKAGE" });
  await assert.rejects(read(bytes, 1000, { ...entry, size: entry.size + 1 }), { code: "DIGEST" });
  const changed = Buffer.from(bytes);
  changed[bytes.length - 2000] = 7;
  await assert.rejects(read(changed, 1000, entry), { code: "DIGEST" });
  await assert.rejects(read(Buffer.from("<html>a portal</html>"), 1000, entry), { code: "DIGEST" });
});

test("D16: control files that are no plain, single, readable files are refused", async () => {
  const [binary, , data] = await debMembers({ files: FILES });
  const withControl = async (members: readonly Member[]) => makeAr([binary, ["control.tar", await makeTar(members)], data]);
  const control = { path: "./control", text: "Package: x\nVersion: 1\nArchitecture: all\n" };
  await refused(await withControl([]), /no control file/);
  await refused(await withControl([control, { path: "../postinst", text: "" }]), /no plain file/);
  await refused(await withControl([control, { path: "a/b", text: "" }]), /no plain file/);
  await refused(await withControl([control, { path: "md5sums", type: "symlink", link: "/etc/passwd" }]), /no plain file/);
  await refused(await withControl([control, control]), /control twice/);
  await refused(await withControl([{ path: "control", text: "Package: X!\nVersion: 1\nArchitecture: all\n" }]), /names the package "X!"/);
  await refused(await withControl([{ path: "control", text: "Package: x\nVersion: 1 2\nArchitecture: all\n" }]), /gives the version/);
  await refused(await withControl([{ path: "control", text: "Package: x\n\nVersion: 1\n" }]), /not one paragraph/);
  await refused(await withControl([control, { path: "templates", text: Buffer.alloc(17 << 20) }]), /larger than/);
});

test("D17: the T rows hold for the data archive: nothing leaves the root, nothing comes twice, nothing deletes", async () => {
  const withFiles = (members: readonly Member[]) => makeDeb({ files: members });
  await refused(await withFiles([{ path: "../x", text: "" }]), /"\.\." part/);
  await refused(await withFiles([{ path: "a/../../x", text: "" }]), /"\.\." part/);
  await refused(await withFiles([{ path: "a", type: "hardlink", link: "../../etc/passwd" }]), /"\.\." part/);
  await refused(
    await withFiles([
      { path: "a", text: "1" },
      { path: "a", text: "2" },
    ]),
    /a path twice/,
  );
  await refused(await withFiles([{ path: "usr/.wh.bin", text: "" }]), /deletion/);
  await refused(await withFiles([{ path: "usr/.wh..wh..opq", text: "" }]), /deletion/);
  await refused(await withFiles([{ path: ".", type: "symlink", link: "/etc" }]), /root of a layer must be a directory/);
  const absolute = await read(await withFiles([{ path: "//etc/x", text: "1" }]));
  assert.deepEqual(
    absolute.draft.map((entry) => entry.path),
    ["/etc/x"],
  );
  const through = await read(
    await withFiles([
      { path: "l", type: "symlink", link: "../../../opt" },
      { path: "l/x", text: "1" },
    ]),
  );
  assert.deepEqual(
    through.draft.map((entry) => entry.path),
    ["/l", "/opt/x"],
  );
});

test("D23: unfinished streams, names that lie about the compression, and bytes after the end are refused", async () => {
  const [binary, control, data] = await debMembers({ files: FILES, compression: "zst" });
  const [, , gz] = await debMembers({ files: FILES, compression: "gz" });
  const [, , plain] = await debMembers({ files: FILES });
  await refused(makeAr([binary, control, ["data.tar.zst", data[1].subarray(0, data[1].length - 9)]]), /./);
  await refused(makeAr([binary, control, ["data.tar.gz", gz[1].subarray(0, gz[1].length - 9)]]), /./);
  await refused(makeAr([binary, control, ["data.tar.gz", Buffer.concat([gz[1], Buffer.from("more")])]]), /./);
  await refused(makeAr([binary, control, ["data.tar.xz", gz[1]]]), /not compressed as its name says/);
  await refused(makeAr([binary, control, ["data.tar.lzma", gz[1]]]), /data.tar.lzma where its data should be/);
  await refused(makeAr([binary, control, ["data.tar", plain[1].subarray(0, 1200)]]), /./);
  const { gzipSync } = await import("node:zlib");
  await refused(makeAr([binary, control, ["data.tar.gz", gzipSync(gz[1])]]), /compressed twice/);
});

test("T23: a data archive that unpacks beyond its bounds stops early", async () => {
  const { gzipSync } = await import("node:zlib");
  const [binary, , data] = await debMembers({ files: FILES });
  const bomb = gzipSync(await makeTar([{ path: "control", text: Buffer.alloc(40 << 20) }]));
  await refused(makeAr([binary, ["control.tar.gz", bomb], data]), /unpacks to more than|larger than/);
});

test("packages beyond the memory allowed go to a temporary file, which is gone afterwards", async () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-deb-"));
  try {
    let count = 0;
    const contents = new DebContents(async () => join(dir, String(count++)), 200_000);
    const bytes = await makeDeb({
      files: [
        { path: "a", text: "a".repeat(100_000) },
        { path: "b", text: "b".repeat(300_000) },
      ],
      compression: "gz",
    });
    const deb = await readDeb(pieces(bytes), "x.deb", contents, createTask());
    const b = deb.draft[1];
    assert(b?.kind === "file" && b.content.in === "layer");
    const fd = await contents.opener(async () => assert.fail("not below"))(b.content.diffId);
    const { closeSync, readSync } = await import("node:fs");
    const text = Buffer.alloc(b.size);
    readSync(fd, text, 0, b.size, b.content.offset);
    closeSync(fd);
    assert.equal(text.toString(), "b".repeat(300_000));
    contents[Symbol.dispose]();
    assert.deepEqual(readdirSync(dir), []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
