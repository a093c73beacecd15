import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuNow } from "../../test/cpu-now.ts";
import type { Digest } from "../oci/digest.ts";
import type { Draft, Entry } from "./entry.ts";
import { mergeTree, stack } from "./merge.ts";
import { sortByPath } from "./order.ts";
import { type Path, ROOT } from "./path.ts";
import type { Tree } from "./tree.ts";

const p = (text: string) => text as Path;
const facts = { mode: 0o644, uid: 0, gid: 0, mtime: 1 };
const dir = (path: string, more: object = {}): Entry => ({ kind: "dir", path: p(path), ...facts, mode: 0o755, ...more });
const file = (path: string, size = 1): Entry => ({
  kind: "file",
  path: p(path),
  ...facts,
  size,
  content: { in: "layer", diffId: `sha256:${"0".repeat(64)}` as Digest, offset: size },
});
const link = (path: string, target: string): Entry => ({ kind: "symlink", path: p(path), ...facts, target });
const hard = (path: string, target: string): Entry => ({ kind: "hardlink", path: p(path), ...facts, target: p(target) });
const gone = (path: string): Entry => ({ kind: "whiteout", path: p(path), ...facts });
const draft = (...entries: Entry[]): Draft => sortByPath(entries);
const paths = (tree: Tree, from?: string) => [...tree.walk(from === undefined ? ROOT : p(from))].map((entry) => entry.path);
const sizeAt = (tree: Tree, path: string) => {
  const entry = tree.get(p(path));
  return entry?.kind === "file" ? entry.size : entry?.kind;
};

test("a tree of one layer walks in canonical order and knows its size", () => {
  const tree = mergeTree([draft(dir("/a"), file("/a/x"), file("/a-b"), file("/B"), dir("/a/d"), file("/a/d/é"))]);
  assert.deepEqual(paths(tree), ["/B", "/a", "/a/d", "/a/d/é", "/a/x", "/a-b"]);
  assert.deepEqual(paths(tree, "/a/d"), ["/a/d", "/a/d/é"]);
  assert.deepEqual(
    [...tree.list(p("/a"))].map((entry) => entry.path),
    ["/a/d", "/a/x"],
  );
  assert.equal(tree.size, 6);
  assert.equal(tree.get(ROOT)?.kind, "dir");
  assert.deepEqual([...tree.list(p("/B"))], []);
  assert.equal(tree.get(p("/a/nothing")), undefined);
});

test("nothing at all is a tree with a root", () => {
  const tree = mergeTree([]);
  assert.deepEqual([paths(tree), tree.size, tree.get(ROOT)?.mode], [[], 0, 0o755]);
});

test("an upper directory changes the metadata of a lower one and keeps what it holds", () => {
  const tree = mergeTree([draft(dir("/d"), file("/d/low")), draft(dir("/d", { mode: 0o700, uid: 7 }), file("/d/up"))]);
  assert.deepEqual(paths(tree), ["/d", "/d/low", "/d/up"]);
  assert.deepEqual([tree.get(p("/d"))?.mode, tree.get(p("/d"))?.uid], [0o700, 7]);
});

test("T04: a later layer replaces a directory by a link and writes below it", () => {
  const low = draft(dir("/etc"), file("/etc/passwd"), dir("/safe"));
  const relative = mergeTree([low, draft(link("/etc", "safe"), file("/etc/shadow"))]);
  assert.deepEqual(paths(relative), ["/etc", "/safe", "/safe/shadow"]);
  const outward = mergeTree([low, draft(link("/etc", "../../../../safe/../.."), file("/etc/shadow"))]);
  assert.deepEqual(paths(outward), ["/etc", "/safe", "/shadow"]);
  assert.equal(outward.size, 3);
});

test("T10: a whiteout takes a path of lower layers away, directories with all they hold, also through a link", () => {
  const low = draft(dir("/d"), file("/d/a"), dir("/d/sub"), file("/d/sub/x"), link("/l", "d"), file("/keep"));
  assert.deepEqual(paths(mergeTree([low, draft(gone("/d/a"), gone("/never"))])), ["/d", "/d/sub", "/d/sub/x", "/keep", "/l"]);
  const without = mergeTree([low, draft(gone("/d"))]);
  assert.deepEqual([paths(without), without.size], [["/keep", "/l"], 2]);
  assert.deepEqual(paths(mergeTree([low, draft(gone("/l/sub"))])), ["/d", "/d/a", "/keep", "/l"]);
  assert.deepEqual(paths(mergeTree([low, draft(gone("/l"))])), ["/d", "/d/a", "/d/sub", "/d/sub/x", "/keep"]);
});

test("T11: an opaque directory hides lower files, never those of its own layer", () => {
  const low = draft(dir("/d"), file("/d/a", 1), file("/d/b", 1));
  const tree = mergeTree([low, draft(dir("/d", { opaque: true, mode: 0o711 }), file("/d/a", 2))]);
  assert.deepEqual([paths(tree), sizeAt(tree, "/d/a"), tree.get(p("/d"))?.mode], [["/d", "/d/a"], 2, 0o711]);
  assert.equal("opaque" in (tree.get(p("/d")) as Entry), false);
  assert.deepEqual(paths(mergeTree([low, draft(dir("/", { opaque: true }), file("/x"))])), ["/x"]);
});

test("T12: parents that no layer has are made, those that lower layers have keep their metadata", () => {
  const tree = mergeTree([draft(dir("/a", { mode: 0o700 })), draft(file("/a/b/c/d"))]);
  assert.deepEqual(paths(tree), ["/a", "/a/b", "/a/b/c", "/a/b/c/d"]);
  assert.deepEqual([tree.get(p("/a"))?.mode, tree.get(p("/a/b"))?.mode, tree.get(p("/a/b"))?.mtime], [0o700, 0o755, 0]);
  assert.equal(tree.size, 4);
});

test("T13: an entry below a link of its own or of a lower layer lands where the link leads", () => {
  const own = mergeTree([draft(dir("/var"), link("/var/run", "/run"), file("/var/run/x"))]);
  assert.deepEqual(paths(own), ["/run", "/run/x", "/var", "/var/run"]);
  const lower = mergeTree([draft(dir("/usr"), dir("/usr/bin"), link("/bin", "usr/bin")), draft(file("/bin/sh"))]);
  assert.deepEqual(paths(lower), ["/bin", "/usr", "/usr/bin", "/usr/bin/sh"]);
  assert.equal(lower.get(p("/usr/bin/sh"))?.path, "/usr/bin/sh");
});

test("T14: a file replaced by a directory, a directory by a file, each kind by each", () => {
  const tree = mergeTree([
    draft(file("/x"), dir("/y"), file("/y/in"), link("/z", "x")),
    draft(dir("/x"), file("/x/in"), file("/y"), dir("/z"), file("/z/in")),
  ]);
  assert.deepEqual(paths(tree), ["/x", "/x/in", "/y", "/z", "/z/in"]);
  assert.equal(tree.size, 5);
});

test("T06: hard links are the file they name, in chains and in any order", () => {
  const tree = mergeTree([draft(file("/b", 5), hard("/a", "/c"), hard("/c", "/b"))]);
  const a = tree.get(p("/a"));
  const b = tree.get(p("/b"));
  assert.deepEqual([sizeAt(tree, "/a"), a?.path, tree.size], [5, "/a", 3]);
  assert.ok(a?.kind === "file" && b?.kind === "file" && a.content === b.content, "both names have one content");
  const below = mergeTree([draft(file("/old", 9)), draft(hard("/new", "/old"))]);
  assert.equal(sizeAt(below, "/new"), 9);
  const shadowed = mergeTree([draft(file("/b", 1)), draft(hard("/a", "/b"), hard("/b", "/c"), file("/c", 2))]);
  assert.equal(sizeAt(shadowed, "/a"), 2);
});

test("T06: hard links to nothing, to a directory, to themselves and in circles are refused", () => {
  for (const bad of [[hard("/a", "/none")], [dir("/d"), hard("/a", "/d")], [hard("/a", "/a")], [hard("/a", "/b"), hard("/b", "/a")]]) {
    assert.throws(() => mergeTree([draft(...bad)]), { name: "Failure", code: "TAR" });
  }
});

test("an entry below a file, and a loop of links, are refused", () => {
  assert.throws(() => mergeTree([draft(file("/a")), draft(file("/a/b"))]), /\/a holds other entries but is no directory/);
  assert.throws(() => mergeTree([draft(link("/a", "b"), link("/b", "a")), draft(file("/a/x"))]), /255 symbolic links/);
});

test("links are followed the way chroot would", () => {
  const tree = mergeTree([
    draft(
      dir("/usr"),
      dir("/usr/lib"),
      file("/usr/lib/x"),
      link("/lib", "usr/lib"),
      link("/abs", "/lib"),
      link("/up", "../../../lib/../lib"),
      link("/loop", "loop"),
      link("/usr/lib/self", "."),
      link("/dangling", "nowhere/else"),
    ),
  ]);
  assert.equal(tree.lookup(p("/abs/x"))?.path, "/usr/lib/x");
  assert.equal(tree.lookup(p("/up/self/self/x"))?.path, "/usr/lib/x");
  assert.equal(tree.lookup(p("/loop/x")), undefined);
  assert.equal(tree.resolve(p("/loop")), undefined);
  assert.equal(tree.resolve(p("/loop"), true), "/loop");
  assert.equal(tree.resolve(p("/abs"), true), "/abs");
  assert.equal(tree.resolve(p("/abs/new/file")), "/usr/lib/new/file");
  assert.equal(tree.resolve(p("/dangling/x")), "/nowhere/else/x");
  assert.equal(tree.lookup(p("/dangling")), undefined);
  assert.equal(tree.lookup(ROOT)?.kind, "dir");
});

test("a chain of 255 links is followed, one more is a loop", () => {
  const chain = (length: number) =>
    mergeTree([draft(file("/l0"), ...Array.from({ length }, (_, at) => link(`/l${at + 1}`, `l${at}`)))]).lookup(p(`/l${length}`));
  assert.equal(chain(255)?.path, "/l0");
  assert.equal(chain(256), undefined);
});

test("stacking leaves the tree below as it was, and equals merging all layers", () => {
  const layers: Draft[] = [
    draft(dir("/a"), file("/a/1"), file("/a/2"), dir("/b"), file("/b/x")),
    draft(gone("/a/1"), file("/a/3")),
    draft(dir("/b", { opaque: true, mode: 0o700 }), file("/b/y"), hard("/c", "/b/y")),
    draft(file("/a"), dir("/d"), link("/d/l", "/b")),
    draft(file("/d/l/z"), gone("/c")),
  ];
  let tree = mergeTree([]);
  const seen: string[][] = [];
  const trees: Tree[] = [];
  for (const layer of layers) {
    tree = stack(tree, layer);
    trees.push(tree);
    seen.push(paths(tree));
    assert.equal(tree.size, paths(tree).length);
  }
  layers.forEach((_, at) => {
    const whole = mergeTree(layers.slice(0, at + 1));
    assert.deepEqual(paths(trees[at] as Tree), seen[at]);
    assert.deepEqual([...(trees[at] as Tree).walk()], [...whole.walk()]);
    assert.equal(whole.size, (trees[at] as Tree).size);
  });
});

test("random layers: stacked one by one, merged at once, and a plain model agree", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) % below;
  for (let round = 0; round < 200; round++) {
    const layers: Draft[] = [];
    let model = new Map<string, string>();
    let tree = mergeTree([]);
    for (let layer = 0; layer < 4; layer++) {
      const entries = new Map<string, Entry>();
      for (let at = 0; at < 6; at++) {
        const parts = Array.from({ length: 1 + random(3) }, () => "abc"[random(3)]);
        const path = `/${parts.join("/")}`;
        if ([...entries.keys()].some((other) => other.startsWith(`${path}/`) || entries.has(path))) continue;
        for (let up = path.lastIndexOf("/"); up > 0; up = path.lastIndexOf("/", up - 1)) {
          if (entries.get(path.slice(0, up))?.kind !== "dir") entries.set(path.slice(0, up), dir(path.slice(0, up)));
        }
        entries.set(path, [file(path, layer), gone(path), dir(path, { opaque: true }), dir(path)][random(4)] as Entry);
      }
      const one = draft(...entries.values());
      layers.push(one);
      for (const entry of one) {
        const hides = entry.kind === "whiteout" || entry.kind === "file" || (entry.kind === "dir" && entry.opaque);
        const replaces = entry.kind === "dir" && model.has(entry.path) && !model.get(entry.path)?.startsWith("dir");
        if (hides || replaces)
          for (const path of model.keys())
            if (path.startsWith(`${entry.path}/`) && !model.get(path)?.endsWith(`@${layer}`)) model.delete(path);
        if (entry.kind === "whiteout") model.delete(entry.path);
        else model.set(entry.path, `${entry.kind}@${layer}`);
      }
      tree = stack(tree, one);
      model = new Map(model);
    }
    const expected = [...model.keys()].sort();
    assert.deepEqual([...paths(mergeTree(layers))].sort(), expected);
    assert.deepEqual([...paths(tree)].sort(), expected);
  }
});

test("one entry on 300,000 does not copy them", () => {
  const many = Array.from({ length: 300_000 }, (_, at) => file(`/big/${String(at).padStart(6, "0")}`));
  let tree = mergeTree([[dir("/big"), ...many]]);
  const before = cpuNow();
  for (let at = 0; at < 1_000; at++) tree = stack(tree, draft(file(`/big/new-${at}`)));
  assert.ok(cpuNow() - before < 3_000, "a thousand times");
  assert.equal(tree.size, 301_001);
});

test("T27: paths as deep as a path can be", () => {
  const deep = "/d".repeat(2_000);
  const tree = mergeTree([draft(file(`${deep}/x`))]);
  assert.equal(tree.size, 2_001);
  assert.equal(mergeTree([draft(file(`${deep}/x`)), draft(gone("/d"))]).size, 0);
});
