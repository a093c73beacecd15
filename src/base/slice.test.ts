import assert from "node:assert/strict";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { test } from "node:test";
import type { Member } from "../debian/testing/make-deb.ts";
import { toPath } from "../tree/path.ts";
import type { Recipe } from "./recipe.ts";
import { AMD64, packaged, Shop } from "./testing/shop.ts";

/** Files of this machine as members of a package, links followed. */
function own(...paths: readonly string[]): Member[] {
  return paths.map((path) => ({ path: `.${path}`, text: readFileSync(realpathSync(path)), mode: 0o755 }));
}

const LOADER = "/lib64/ld-linux-x86-64.so.2";
const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const ZLIB = "/lib/x86_64-linux-gnu/libz.so.1";

const recipe = (needs: readonly string[]): Recipe => ({ stages: [{ title: "x", packages: ["tool"], needs }], config: {} });

test("a slice has what its programs reach, and truthful records of what was cut", async (t) => {
  if (!existsSync(LIBC) || !existsSync(LOADER) || !existsSync("/bin/true")) return t.skip("this machine is no Debian for amd64");
  await using shop = await Shop.open([
    await packaged("libc6", {
      files: [
        ...own(LOADER, LIBC),
        { path: "./usr/share/doc/libc6/copyright", text: "free" },
        { path: "./usr/share/libc/data", text: "x" },
      ],
      scripts: { md5sums: `${"0".repeat(32)}  usr/share/libc/data\n${"1".repeat(32)}  ${LIBC.slice(1)}\n` },
    }),
    await packaged("zlib1g", { files: existsSync(ZLIB) ? own(ZLIB) : [] }),
    await packaged("tool", {
      depends: "libc6, zlib1g",
      files: [
        ...own("/bin/true"),
        { path: "./usr/bin/tool", type: "symlink", link: "../lib/tool/run" },
        { path: "./usr/lib/tool/run", text: "#!/usr/bin/env true\n", mode: 0o755 },
        { path: "./usr/bin/other", text: "#!/bin/sh\n", mode: 0o755 },
      ],
    }),
  ]);
  const store = await shop.store();
  const { root } = await shop.build(recipe(["tool"]), store);
  const { tree, text } = await shop.look(store, root);
  const has = (path: string) => tree.lookup(toPath(path)) !== undefined;
  for (const path of ["/usr/bin/tool", "/usr/lib/tool/run", "/bin/true", LIBC, LOADER, "/usr/share/doc/libc6/copyright"])
    assert(has(path), path);
  for (const path of ["/usr/bin/other", ZLIB, "/usr/share/libc/data"]) assert(!has(path), path);
  assert.match(await text("/var/lib/dpkg/status.d/tool"), /\nX-Nought-Kept: 3 of 4 files\n$/);
  assert.match(await text("/var/lib/dpkg/status.d/zlib1g"), /X-Nought-Kept: 0 of/);
  assert.equal(await text("/var/lib/dpkg/status.d/libc6.md5sums"), `${"1".repeat(32)}  ${LIBC.slice(1)}\n`);
  assert.equal((await shop.build(recipe(["tool"]), await shop.store())).root.digest, root.digest);
  await assert.rejects(shop.build(recipe(["nothing"]), store, { platforms: [AMD64] }), {
    code: "NOT_FOUND",
    message: /nothing: no package has/,
  });
});

test("a slice keeps the binaries of a folder that a program names as its own, and data below /usr, without scripts and their interpreters; Python's library", async (t) => {
  if (!existsSync("/bin/true")) return t.skip("this machine is no Debian");
  const elf = readFileSync(realpathSync("/bin/true"));
  const names = Buffer.from("\0/usr/lib/tool-core\0share/tool-data/templates\0");
  await using shop = await Shop.open([
    await packaged("tool", {
      files: [
        { path: "./usr/bin/tool", text: Buffer.concat([elf, names]), mode: 0o755 },
        { path: "./usr/lib/tool-core/tool-remote", text: elf, mode: 0o755 },
        { path: "./usr/lib/tool-core/tool-script", text: "#!/usr/bin/interpreter\n", mode: 0o755 },
        { path: "./usr/lib/tool-core/tool-twin", type: "symlink", link: "tool-script" },
        { path: "./usr/bin/interpreter", text: elf, mode: 0o755 },
        { path: "./usr/share/tool-data/templates/hook", text: "x" },
        { path: "./usr/bin/python3.13", text: elf, mode: 0o755 },
        { path: "./usr/lib/python3.13/encodings/utf_8.py", text: "#! /usr/bin/env python3\n", mode: 0o755 },
      ],
    }),
  ]);
  const store = await shop.store();
  const { root } = await shop.build(recipe(["tool"]), store);
  const { tree } = await shop.look(store, root);
  const has = (path: string) => tree.lookup(toPath(path)) !== undefined;
  for (const path of ["/usr/lib/tool-core/tool-remote", "/usr/share/tool-data/templates/hook"]) assert(has(path), path);
  for (const path of ["tool-core/tool-script", "tool-core/tool-twin", "python3.13"]) assert(!has(`/usr/lib/${path}`), path);
  assert(!has("/usr/bin/interpreter"));
  const python = await shop.build(recipe(["python3.13"]), store);
  assert((await shop.look(store, python.root)).tree.lookup(toPath("/usr/lib/python3.13/encodings/utf_8.py")));
});
