import assert from "node:assert/strict";
import { test } from "node:test";
import { createTask } from "../../task/task.ts";
import { type Deb, readDeb } from "../deb.ts";
import { inMemory } from "../deb-contents.ts";
import { type DebParts, makeDeb } from "../testing/make-deb.ts";
import { Site } from "./site.ts";
import { mergeUsr } from "./usr-merge.ts";

async function deb(name: string, parts: DebParts): Promise<Deb> {
  const bytes = await makeDeb({ ...parts, control: { Package: name, ...parts.control } });
  async function* whole() {
    yield bytes;
  }
  return readDeb(whole(), name, inMemory(), createTask());
}

function emptySite(): Site {
  return new Site(async () => assert.fail("everything is in memory"));
}

const shown = (site: Site) => site.all().map(({ entry }) => `${entry.path}${entry.kind === "symlink" ? ` -> ${entry.target}` : ""}`);

test("D18: files below /bin and /lib land in /usr, and the links stay", async () => {
  const site = emptySite();
  mergeUsr(site, "amd64");
  const files = [{ path: "./bin/" }, { path: "./bin/sh", text: "x" }, { path: "./lib/x/" }, { path: "./lib/x/y", text: "y" }];
  site.add(await deb("a", { files: [...files, { path: "bin/hard", type: "hardlink", link: "./bin/sh" }] }));
  assert.deepEqual(shown(site), [
    "/bin -> usr/bin",
    "/lib -> usr/lib",
    "/lib64 -> usr/lib64",
    "/sbin -> usr/sbin",
    "/usr",
    "/usr/bin",
    "/usr/bin/hard",
    "/usr/bin/sh",
    "/usr/lib",
    "/usr/lib/x",
    "/usr/lib/x/y",
    "/usr/lib64",
    "/usr/sbin",
  ]);
  const hard = site.get("/usr/bin/hard");
  assert(hard?.kind === "hardlink" && hard.target === "/usr/bin/sh");
  assert.equal(await site.text("/bin/hard"), "x");
});

test("D19: two packages with one path are refused, unless both have the same or one replaces the other", async () => {
  const one = await deb("one", { files: [{ path: "etc/x", text: "1" }] });
  const same = await deb("same", { files: [{ path: "etc/x", text: "1" }] });
  const two = await deb("two", { files: [{ path: "etc/x", text: "2" }] });
  const heir = await deb("heir", { files: [{ path: "etc/x", text: "3" }], control: { Replaces: "one (<< 2)" } });
  const late = await deb("late", { files: [{ path: "etc/x", text: "3" }], control: { Replaces: "one (<< 1)" } });
  const site = emptySite();
  site.add(one);
  site.add(same);
  assert.equal(site.from("/etc/x"), "one");
  assert.throws(() => site.add(two), { code: "PACKAGE", message: /\/etc\/x is in one and also in two/ });
  assert.throws(() => site.add(late), { code: "PACKAGE" });
  site.add(heir);
  assert.equal(await site.text("/etc/x"), "3");
  const other = emptySite();
  other.add(heir);
  other.add(one);
  assert.equal(await other.text("/etc/x"), "3");
});

test("D19: a file where another package has a directory is refused; a directory where there is a link to one is not", async () => {
  const site = emptySite();
  site.add(await deb("a", { files: [{ path: "opt/d/" }, { path: "opt/l", type: "symlink", link: "d" }] }));
  site.add(await deb("b", { files: [{ path: "opt/l/" }, { path: "opt/l/x", text: "" }] }));
  assert.equal(site.from("/opt/d/x"), "b");
  assert.equal(site.get("/opt/l")?.kind, "symlink");
  const wrong = await deb("c", { files: [{ path: "opt/d", text: "" }] });
  assert.throws(() => site.add(wrong), { code: "PACKAGE", message: /\/opt\/d is in a and also in c/ });
  const below = await deb("e", { files: [{ path: "opt/d/x/y", text: "" }] });
  assert.throws(() => site.add(below), { code: "PACKAGE" });
});

test("a package's part of the image is a draft with its parents, in canonical order", async () => {
  const site = emptySite();
  site.add(await deb("a", { files: [{ path: "usr/" }, { path: "usr/a", text: "a" }] }));
  site.add(
    await deb("b", {
      files: [
        { path: "usr/b/c", text: "a" },
        { path: "usr/a-link", type: "hardlink", link: "usr/b/c" },
      ],
    }),
  );
  const draft = site.draft(({ from }) => from === "b");
  assert.deepEqual(
    draft.map((entry) => `${entry.kind} ${entry.path}`),
    ["dir /usr", "file /usr/a-link", "dir /usr/b", "hardlink /usr/b/c"],
  );
});
