import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { END, long, member, pax, tar } from "../../../test/craft-tar.ts";
import { bzip2, xz } from "../../../test/packers.ts";
import { refused } from "../../../test/refused.ts";
import { Workbench } from "../../../test/workbench.ts";

const ADD = "FROM scratch\nADD archive /in/\n";

test("C14: archives of every compression are unpacked, whatever they are called", async () => {
  const archive = tar({ name: "f", body: "content" });
  const packed = { plain: archive, gzip: gzipSync(archive), zstd: zstdCompressSync(archive), xz: xz?.(archive), bzip2: bzip2?.(archive) };
  for (const [name, bytes] of Object.entries(packed)) {
    if (bytes === undefined) {
      console.log(`C14: ${name} is not installed`);
      continue;
    }
    await using bench = new Workbench();
    const dir = bench.folder("context", { "archive.txt": bytes });
    const { text } = await bench.build(dir, "FROM scratch\nADD archive.txt /in/\n");
    assert.equal(await text("/in/f"), "content", name);
    assert.equal((await bench.build(dir, "FROM scratch\nADD archive.txt /in/\n")).cached.length, 1);
  }
});

test("C14: what is no archive is copied: texts, compressed texts, short files, junk", async () => {
  for (const bytes of [
    Buffer.from("text"),
    gzipSync("text"),
    Buffer.alloc(10),
    Buffer.alloc(2000, 7),
    gzipSync(Buffer.alloc(2000, 7)),
    Buffer.alloc(2000),
  ]) {
    await using bench = new Workbench();
    const { get } = await bench.build(bench.folder("context", { archive: bytes }), ADD);
    const entry = await get("/in/archive");
    assert.equal(entry?.kind === "file" ? entry.size : entry?.kind, bytes.length);
  }
});

const LINK = { flag: "2" };
const hostile: readonly (readonly [string, Buffer, string, RegExp])[] = [
  ["T01 a name with ..", tar({ name: "../x", body: "1" }), "TAR", /\.\./],
  ["T05 a root that is a link", tar({ name: "./", ...LINK, link: "/etc" }), "TAR", /root|\./],
  ["T06 a hard link to nothing", tar({ name: "h", flag: "1", link: "nothing" }), "TAR", /hardlink|hard link/],
  ["T10 a deletion", tar({ name: ".wh.x" }), "CONTEXT", /deleted/],
  [
    "T15 a size beyond the end",
    Buffer.concat([tar({ name: "first", body: "1" }).subarray(0, 1024), member({ name: "f", size: 1 << 20 }), END]),
    "TAR",
    /byte 1024|member/,
  ],
  [
    "T16 a broken PAX record",
    Buffer.concat([member({ name: "first" }), member({ name: "p", flag: "x", body: "99 path=x\n" }), member({ name: "f" }), END]),
    "TAR",
    /byte/,
  ],
  [
    "T19 a wrong checksum after the first header",
    Buffer.concat([member({ name: "a" }), member({ name: "b", checksum: "000001\0 " }), END]),
    "TAR",
    /checksum/,
  ],
  [
    "T21 a cut gzip stream",
    gzipSync(Buffer.concat(Array.from({ length: 3000 }, (_, n) => member({ name: `f${n}`, body: String(n) })))).subarray(0, 20_000),
    "COMPRESSION",
    /too early/,
  ],
];
for (const [what, bytes, code, words] of hostile) {
  test(`C14: ${what} is refused as in a layer`, async () => {
    await using bench = new Workbench();
    await assert.rejects(bench.build(bench.folder("context", { archive: bytes }), ADD), refused(code, words));
  });
}

test("C14: what layers may hold, archives may: links up, absolute names, long names, devices, attributes", async () => {
  await using bench = new Workbench();
  const name = "d/".repeat(80);
  const archive = tar(
    { name: "/absolute", body: "1" },
    { name: "up", ...LINK, link: "../../../etc/passwd" },
    { name: "etc", ...LINK, link: "real" },
    { name: "real/", flag: "5", mode: 0o700 },
    { name: "etc/through", body: "2" },
    long(`${name}file`),
    { name: "short", magic: "gnu", body: "3" },
    pax({ path: "é/x", uid: "3000000", "SCHILY.xattr.user.k": "v" }),
    { name: "y", body: "4" },
    { name: "null", flag: "3", major: 1, minor: 3, mode: 0o666 },
    { name: "twice", body: "first" },
    { name: "twice", body: "second" },
    { name: "suid", mode: 0o4755, body: "5" },
  );
  const { text, get } = await bench.build(
    bench.folder("context", { archive }),
    "FROM scratch\nCOPY archive /in/real/kept\nADD archive /in/\n",
  );
  assert.equal(await text("/in/absolute"), "1");
  assert.equal(await text("/in/real/through"), "2");
  assert.equal(await text(`/in/${name}file`), "3");
  const odd = await get("/in/é/x");
  assert.deepEqual([odd?.uid, [...(odd?.xattrs?.keys() ?? [])]], [3_000_000, ["user.k"]]);
  assert.equal((await get("/in/null"))?.kind, "char");
  assert.equal(await text("/in/twice"), "second");
  assert.equal((await get("/in/suid"))?.mode, 0o4755);
  assert.equal((await get("/in/real"))?.mode, 0o700, "an existing folder takes the archive's mode");
  assert.equal((await get("/in/real/kept"))?.kind, "file");
});

test("hard links of an archive share the last metadata, and come after their file wherever they stand", async () => {
  await using bench = new Workbench();
  const archive = tar(
    { name: "z", body: "same", mode: 0o600 },
    { name: "a", flag: "1", link: "z", mode: 0o755 },
    { name: "m", flag: "1", link: "/z", mode: 0o755 },
  );
  const { entries } = await bench.build(bench.folder("context", { archive }), ADD);
  assert.deepEqual(
    (await entries()).map((entry) =>
      entry.kind === "hardlink" ? `${entry.path} = ${entry.target}` : `${entry.path} ${entry.mode.toString(8)}`,
    ),
    ["/in 755", "/in/a 755", "/in/m = /in/a", "/in/z = /in/a"],
  );
});
