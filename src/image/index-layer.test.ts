import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Crafted, END, member, pax, pieces, tar } from "../../test/craft-tar.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { createTask, type TaskEvent } from "../task/task.ts";
import type { Entry } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { isSortedByPath } from "../tree/order.ts";
import type { Path } from "../tree/path.ts";
import { decodeIndex, encodeIndex } from "./index.ts";
import { type DeclaredLayer, type IndexedLayer, indexLayer } from "./index-layer.ts";

const index = (bytes: Buffer, declared?: DeclaredLayer, events: TaskEvent[] = []) =>
  indexLayer(
    pieces(bytes),
    declared,
    createTask((event) => events.push(event)),
  );

/** One line for each entry: kind, path, and what matters of the rest. */
function lines({ draft }: IndexedLayer): string[] {
  assert.ok(isSortedByPath(draft), "in canonical order");
  return draft.map((entry) => {
    const more =
      entry.kind === "file"
        ? ` ${entry.size}`
        : entry.kind === "symlink" || entry.kind === "hardlink"
          ? ` -> ${entry.target}`
          : entry.kind === "dir" && entry.opaque
            ? " opaque"
            : "";
    return `${entry.kind} ${entry.path}${more}`;
  });
}

const draftOf = async (...members: (Crafted | Buffer)[]) => lines(await index(tar(...members)));
const refused = (members: (Crafted | Buffer)[], why: RegExp, code = "TAR") =>
  assert.rejects(index(tar(...members)), (error: Error & { code?: string }) => {
    assert.equal(error.name, "Failure", error.stack);
    assert.equal(error.code, code);
    assert.match(error.message, why);
    return true;
  });
const dir = (name: string, more: Partial<Crafted> = {}): Crafted => ({ name, flag: "5", mode: 0o755, ...more });
const file = (name: string, body = "x"): Crafted => ({ name, body });
const soft = (name: string, link: string): Crafted => ({ name, flag: "2", link });
const hard = (name: string, link: string): Crafted => ({ name, flag: "1", link });

test("a layer gives its diffID, its entries in order, and where and what each content is", async () => {
  const bytes = tar(dir("b/"), file("b/x", "hello"), file("a", ""), { name: "c", flag: "3", major: 1, minor: 3 });
  const layer = await index(bytes);
  assert.deepEqual(lines(layer), ["file /a 0", "dir /b", "file /b/x 5", "char /c"]);
  assert.deepEqual(
    [layer.diffId, layer.size, layer.compression, layer.repeated, layer.orphans],
    [digestOf(bytes), bytes.length, "uncompressed", 0, 0],
  );
  const x = layer.draft[2];
  assert.deepEqual(x?.kind === "file" && [x.content, x.digest], [{ in: "layer", diffId: layer.diffId, offset: 1_024 }, digestOf("hello")]);
  assert.deepEqual(decodeIndex(encodeIndex(layer.draft, layer.diffId)), { diffId: layer.diffId, draft: layer.draft });
});

test("compressed layers index alike; the digest of a large file is right in whatever pieces it comes", async () => {
  const body = Buffer.alloc(300_000, "abcdefg").toString();
  const bytes = tar(file("big", body), file("small", "s"));
  const plain = await index(bytes);
  assert.equal(plain.draft[0]?.kind === "file" && plain.draft[0].digest, digestOf(body));
  for (const [packed, kind] of [
    [gzipSync(bytes), "gzip"],
    [zstdCompressSync(bytes), "zstd"],
  ] as const) {
    const layer = await index(packed, { diffId: plain.diffId });
    assert.deepEqual([layer.draft, layer.diffId, layer.compression], [plain.draft, plain.diffId, kind]);
  }
});

test("T01: names with .. are refused, for members and for hard links", async () => {
  for (const name of ["../x", "a/../../x", "..", "a/.."]) await refused([file(name)], /a name with a "\.\." part/);
  await refused([hard("a", "../../etc/passwd")], /hard link to a name with a "\.\." part/);
});

test("T02 ✚: absolute names, double slashes and ./ prefixes mean the same as none", async () => {
  assert.deepEqual(await draftOf(dir("./"), file("/etc/x"), file("//y"), file("./z"), dir("a//b/./")), [
    "dir /",
    "dir /a/b",
    "file /etc/x 1",
    "file /y 1",
    "file /z 1",
  ]);
});

test("T03: a member below a link of the layer lands where the link leads, inside the root", async () => {
  assert.deepEqual(await draftOf(soft("l", "/etc"), file("l/x")), ["file /etc/x 1", "symlink /l -> /etc"]);
  assert.deepEqual(await draftOf(soft("l", "../../../.."), file("l/x")), ["symlink /l -> ../../../..", "file /x 1"]);
  assert.deepEqual(await draftOf(dir("d"), soft("d/l", "."), file("d/l/l/l/x")), ["dir /d", "symlink /d/l -> .", "file /d/x 1"]);
  assert.deepEqual(await draftOf(soft("one", "two"), soft("two", "/three/"), file("one/x")), [
    "symlink /one -> two",
    "file /three/x 1",
    "symlink /two -> /three/",
  ]);
  await refused([soft("a", "b"), soft("b", "a"), file("a/x")], /255 symbolic links/);
});

test("T05: an entry for the root that is no directory is refused", async () => {
  for (const name of [".", "/.", "./", "/"]) {
    await refused([soft(name, "/etc")], /root of a layer must be a directory/);
    assert.deepEqual(await draftOf(dir(name)), ["dir /"]);
  }
  await refused([file(".")], /root of a layer must be a directory/);
  await refused([{ name: ".", flag: "1", link: "x" }], /root of a layer must be a directory/);
});

test("T06: hard links to directories, to themselves and to what comes later are refused", async () => {
  await refused([dir("d"), hard("a", "d")], /hard link to the directory \/d/);
  await refused([file("d/x"), hard("a", "d")], /hard link to the directory \/d/);
  await refused([hard("a", "a")], /hard link to itself/);
  await refused([file("a"), hard("a", "a")], /hard link to itself|hard link to/);
  await refused([hard("a", "b"), file("b")], /hard link to \/b, which comes later/);
});

test("T06, T13 ✚: hard links to links, through links, absolute, and to what a lower layer has", async () => {
  assert.deepEqual(await draftOf(soft("l", "x"), hard("h", "/l")), ["hardlink /h -> /l", "symlink /l -> x"]);
  assert.deepEqual(await draftOf(dir("run"), file("run/x"), soft("var/run", "/run"), hard("h", "/var/run/x")), [
    "hardlink /h -> /run/x",
    "dir /run",
    "file /run/x 1",
    "symlink /var/run -> /run",
  ]);
  assert.deepEqual(await draftOf(hard("h", "/lower/file")), ["hardlink /h -> /lower/file"]);
  assert.deepEqual(await draftOf(file("a"), hard("b", "a"), hard("c", "b")), ["file /a 1", "hardlink /b -> /a", "hardlink /c -> /a"]);
});

test("T08 ✚, T09 ✚: devices, FIFOs, set-uid and capabilities are recorded, not made", async () => {
  const capability = Buffer.from([1, 0, 0, 2, 0, 4, 0, 0]);
  const { draft } = await index(
    tar(
      { name: "dev", flag: "4", major: 8, minor: 1 },
      { name: "pipe", flag: "6" },
      pax({ "SCHILY.xattr.security.capability": capability }),
      {
        name: "su",
        mode: 0o4755,
      },
    ),
  );
  const [dev, pipe, su] = draft;
  assert.deepEqual([dev?.kind === "block" && [dev.major, dev.minor], pipe?.kind, su?.mode], [[8, 1], "fifo", 0o4755]);
  assert.deepEqual(Buffer.from(su?.xattrs?.get("security.capability") ?? []), capability);
});

test("T29: what overlayfs keeps for itself does not become part of an image", async () => {
  const records = { "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/x", "SCHILY.xattr.user.mine": "1" };
  const { draft } = await index(tar(pax(records), dir("d")));
  assert.deepEqual([...(draft[0]?.xattrs?.keys() ?? [])], ["user.mine"]);
  const only = await index(tar(pax({ "SCHILY.xattr.trusted.overlay.opaque": "y" }), dir("d")));
  assert.equal(only.draft[0]?.xattrs, undefined);
});

test("T10: whiteouts of nothing and of directories themselves are refused", async () => {
  for (const name of [".wh.", ".wh..", ".wh...", "a/.wh...", "/.wh."])
    await refused([file(name, "")], /a whiteout of nothing, or of a directory itself/);
  await refused([file(".wh.x/inside")], /it lies in a whiteout/);
});

test("T10 ✚: whiteouts with content, as directories, through a link; and AUFS's own leftovers", async () => {
  assert.deepEqual(await draftOf(file("d/.wh.a", "body"), dir(".wh.gone/"), soft("l", "d"), file("l/.wh.b", "")), [
    "whiteout /d/a",
    "whiteout /d/b",
    "whiteout /gone",
    "symlink /l -> d",
  ]);
  assert.deepEqual(await draftOf(dir(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs", ""), file("x")), ["file /x 1"]);
  assert.deepEqual(await draftOf(file("not.wh.this"), file("d/.whatever")), ["file /d/.whatever 1", "file /not.wh.this 1"]);
});

test("T11: an opaque mark counts wherever it stands, and what a layer adds survives its own whiteouts", async () => {
  assert.deepEqual(await draftOf(dir("d"), file("d/a"), file("d/.wh..wh..opq", "")), ["dir /d opaque", "file /d/a 1"]);
  assert.deepEqual(await draftOf(file("d/.wh..wh..opq", ""), dir("d"), file("d/a")), ["dir /d opaque", "file /d/a 1"]);
  assert.deepEqual(await draftOf(file(".wh.f", ""), file("f")), ["file /f 1"]);
  assert.deepEqual(await draftOf(file("f"), file(".wh.f", "")), ["file /f 1"]);
  assert.deepEqual(await draftOf(dir("d"), file(".wh.d", "")), ["dir /d opaque"]);
  assert.deepEqual(await draftOf(file(".wh.d", ""), dir("d")), ["dir /d opaque"]);
  assert.deepEqual(await draftOf(file(".wh..wh..opq", "")), ["dir / opaque"]);
});

test("T12 ✚: parents that are missing, or come after what they hold", async () => {
  const layer = await index(tar(file("a/b/c"), dir("a", { mode: 0o700 })));
  assert.deepEqual([lines(layer), layer.orphans], [["dir /a", "file /a/b/c 1"], 1]);
  const tree = mergeTree([layer.draft]);
  assert.deepEqual([tree.get("/a" as Path)?.mode, tree.get("/a/b" as Path)?.mode], [0o700, 0o755]);
});

test("T14: of several members of one path the last wins, whatever they are, and they are counted", async () => {
  const layer = await index(tar(file("x", "1"), dir("x"), file("x/in"), soft("x", "y"), file("x", "last!")));
  assert.deepEqual([lines(layer), layer.repeated], [["file /x 5"], 3]);
  assert.deepEqual(await draftOf(file("x"), dir("x"), file("x/in")), ["dir /x opaque", "file /x/in 1"]);
  assert.deepEqual(await draftOf(dir("x", { mode: 0o700 }), file("x/in"), dir("x")), ["dir /x", "file /x/in 1"]);
  const many = await index(tar(...Array.from({ length: 1_000 }, (_, at) => (at % 2 ? dir("x") : file("x", String(at))))));
  assert.deepEqual([lines(many), many.repeated], [["dir /x opaque"], 999]);
});

test("T14: names of a file that is replaced keep the old content", async () => {
  assert.deepEqual(await draftOf(file("a", "old"), hard("b", "a"), hard("c", "a"), file("a", "newer")), [
    "file /a 5",
    "file /b 3",
    "hardlink /c -> /b",
  ]);
  assert.deepEqual(await draftOf(dir("d"), file("d/a", "old"), hard("b", "d/a"), file("d", "")), ["file /b 3", "file /d 0"]);
  assert.deepEqual(await draftOf(file("a", "old"), hard("b", "a"), hard("a", "b")), ["hardlink /a -> /b", "file /b 3"]);
  assert.deepEqual(await draftOf(file("a", "old"), hard("b", "a"), file("b", "newer"), file("a", "!")), ["file /a 1", "file /b 5"]);
});

test("a member below a file is refused", async () => {
  await refused([file("a"), file("a/b")], /layer: \/a: it holds other members but is no directory/);
});

test("T13 ✚: what lies below a lower layer's link is found where the link leads", async () => {
  const low = await index(tar(dir("run"), soft("var/run", "/run")));
  const up = await index(tar(file("var/run/x")));
  assert.equal(mergeTree([low.draft, up.draft]).lookup("/var/run/x" as Path)?.path, "/run/x");
});

test("T22: the bytes say how a layer is compressed; a media type that says otherwise gives a note", async () => {
  const bytes = tar(file("a"));
  for (const [packed, type] of [
    [gzipSync(bytes), "application/vnd.oci.image.layer.v1.tar"],
    [zstdCompressSync(bytes), "application/vnd.oci.image.layer.v1.tar+gzip"],
    [bytes, "application/vnd.docker.image.rootfs.diff.tar.gzip"],
  ] as const) {
    const events: TaskEvent[] = [];
    assert.deepEqual(lines(await index(packed, { mediaType: type }, events)), ["file /a 1"]);
    assert.match(events[0]?.type === "note" ? events[0].text : "", /they are what counts/);
  }
  const events: TaskEvent[] = [];
  await index(gzipSync(bytes), { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }, events);
  assert.deepEqual(events, []);
});

test("T24: a compression that we do not read is named", async () => {
  await assert.rejects(index(Buffer.concat([Buffer.from("04224d18", "hex"), Buffer.alloc(2_000, 7)])), {
    code: "COMPRESSION",
    message: /but lz4/,
  });
});

test("T25: bytes that unpack to another diffID are refused", async () => {
  const wrong = digestOf("other") as Digest;
  await assert.rejects(index(tar(file("a")), { diffId: wrong }), {
    code: "DIGEST",
    message: new RegExp(`layer ${wrong}: its bytes unpack to sha256:`),
  });
});

test("T19 ✚: bytes after the end of the archive count for the diffID", async () => {
  const bytes = Buffer.concat([tar(file("a")), Buffer.from("more")]);
  const layer = await index(bytes);
  assert.deepEqual([layer.diffId, layer.size, lines(layer)], [digestOf(bytes), bytes.length, ["file /a 1"]]);
});

test("T28: times that no file system keeps become the epoch", async () => {
  const at = async (mtime: string) => (await index(tar(pax({ mtime }), file("a")))).draft[0]?.mtime;
  assert.deepEqual([await at("-1"), await at("1099511627776"), await at("5.25")], [0, 0, 5.25]);
});

test("names that come from a damaged archive are escaped, and the layer is named", async () => {
  await refused([file("a\x1b[2J"), file("a\x1b[2J/b")], /^layer: \/a\\x1b\[2J: /);
  const diffId = digestOf("x");
  await assert.rejects(index(Buffer.concat([member({ name: "a", checksum: "1" }), END]), { diffId }), {
    message: new RegExp(`^layer ${diffId}, byte 0: `),
  });
});

test("an empty layer, of no bytes and of an end alone, is a layer", async () => {
  assert.deepEqual((await index(Buffer.alloc(0))).draft, []);
  assert.deepEqual((await index(END)).draft, [] as Entry[]);
});
