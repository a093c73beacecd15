import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../image/assemble.ts";
import { parseReference, withDefaultTag } from "../oci/reference.ts";
import { nameImage } from "../store/name-image.ts";
import { toPath } from "../tree/path.ts";
import { LIKE_ALPINE } from "./alpine.ts";
import { appletsOf } from "./applets.ts";
import { embeddedImages } from "./embedded.ts";
import { EMBEDDED, embeddedRecipe, readTag } from "./embedded-recipes.ts";
import { AMD64, packaged, Shop } from "./testing/shop.ts";
import { debianContext, recipeWithPackages } from "./with-packages.ts";

const name = (text: string) => withDefaultTag(parseReference(text));

test("tags of embedded images are a suite, debug and nonroot", () => {
  assert.deepEqual(readTag("latest"), { debug: false, nonroot: false });
  assert.deepEqual(readTag("trixie"), { suite: "trixie", debug: false, nonroot: false });
  assert.deepEqual(readTag("nonroot"), { debug: false, nonroot: true });
  assert.deepEqual(readTag("debug-nonroot"), { debug: true, nonroot: true });
  assert.deepEqual(readTag("bookworm-debug"), { suite: "bookworm", debug: true, nonroot: false });
  assert.deepEqual(readTag("bookworm-debug-nonroot"), { suite: "bookworm", debug: true, nonroot: true });
  for (const wrong of ["", "1.0", "nonroot-debug", "trixie-slim", "Trixie", "debug-"]) assert.equal(readTag(wrong), undefined, wrong);
});

test("debug adds busybox and keeps the layers below; pieces have no variants", () => {
  const plain = embeddedRecipe("static", { debug: false, nonroot: false });
  const debug = embeddedRecipe("static", { debug: true, nonroot: true });
  assert.deepEqual(debug?.stages.slice(0, 1), plain?.stages);
  assert.equal(debug?.config.user, "65532");
  assert.equal(debug?.config.workdir, "/home/nonroot");
  assert.match(debug?.config.env?.["PATH"] ?? "", /:\/busybox$/);
  assert.deepEqual(debug?.config.entrypoint, ["/busybox/sh"]);
  assert.equal(embeddedRecipe("certs", { debug: true, nonroot: false }), undefined);
  assert.equal(embeddedRecipe("toString", { debug: false, nonroot: false }), undefined);
});

test("images share their lower stages, the very same ones", () => {
  const stages = (one: string) => EMBEDDED[one]?.stages ?? [];
  for (const [low, high] of [
    ["static", "base-nossl"],
    ["base-nossl", "base"],
    ["base", "cc"],
    ["cc", "python"],
    ["cc", "nodejs"],
    ["cc", "java"],
    ["debian", "golang"],
  ] as const)
    assert.deepEqual(stages(high).slice(0, stages(low).length), stages(low), `${low} in ${high}`);
});

test("pieces without packages need no mirror, and get the same digest anywhere", async () => {
  await using shop = await Shop.open([]);
  const store = await shop.store();
  const images = embeddedImages(store, { root: "/nowhere", env: {} });
  const users = await images.find(name("nought/users"), AMD64, shop.task);
  assert(users);
  const { tree, text } = await shop.look(store, users);
  assert.match(await text("/etc/passwd"), /^root:x:0:0:.*\nnobody:x:65534:65534:.*\nnonroot:x:65532:65532:/s);
  assert.equal(tree.get(toPath("/bin")), undefined);
  assert.deepEqual(await store.resolve(name("nought/users"), shop.task), users);
  const tmp = await images.find(name("nought/tmp"), AMD64, shop.task);
  assert(tmp);
  assert.equal((await shop.look(store, tmp)).tree.get(toPath("/tmp"))?.mode, 0o1777);
  const other = await shop.store();
  assert.equal((await embeddedImages(other, { root: "/nowhere", env: {} }).find(name("nought/tmp"), AMD64, shop.task))?.digest, tmp.digest);
  assert.equal(await images.find(name("nought/nothing"), AMD64, shop.task), undefined);
  assert.equal(await images.find(name("library/users"), AMD64, shop.task), undefined);
  await assert.rejects(images.find(name("nought/users:debug"), AMD64, shop.task), { code: "NOT_FOUND" });
});

test("an embedded image is made from the machine's mirror, of the suite that its tag names", async () => {
  const certs = [{ path: "usr/share/zoneinfo/Etc/UTC", text: "TZif2" }];
  await using shop = await Shop.open([await packaged("tzdata", { architecture: "all", files: certs })]);
  const store = await shop.store();
  await store.temporary();
  const images = embeddedImages(store, { root: shop.mirror.machine, env: {}, extraSuites: [] });
  const root = await images.find(name("nought/tzdata:bookworm"), AMD64, shop.task);
  assert(root);
  const { image, tree } = await shop.look(store, root);
  const link = tree.get(toPath("/etc/localtime"));
  assert(link?.kind === "symlink" && link.target === "/usr/share/zoneinfo/Etc/UTC");
  assert.match(image.annotations?.["io.nought.base"] ?? "", /^nought\/tzdata:bookworm bookworm /);
  await assert.rejects(images.find(name("nought/tzdata:sid"), AMD64, shop.task), { code: "NETWORK" });
});

test("a name that a person gave wins, even where it is to be made anew (--pull)", async () => {
  await using shop = await Shop.open([]);
  const store = await shop.store();
  const users = await embeddedImages(store, { root: "/nowhere", env: {} }).find(name("nought/users"), AMD64, shop.task);
  assert(users);
  const { image } = await shop.look(store, users);
  const other = assemble(image.layers, image.config, {});
  await store.putMany([other.configBytes, other.manifestBytes]);
  const own = other.image.descriptor;
  await nameImage(store, name("nought/tmp"), own, shop.task);
  const images = embeddedImages(store, { root: "/nowhere", env: {} });
  assert.deepEqual(await images.find(name("nought/tmp"), AMD64, shop.task), own);
  assert.deepEqual(await store.resolve(name("nought/tmp"), shop.task), own);
});

test("debian:SUITE?packages=… names an image with these packages", () => {
  const reference = debianContext("debian:trixie?packages=git,g++,git,ca-certificates");
  assert.deepEqual(reference, { registry: "docker.io", repository: "nought/debian/with/ca-certificates/g__p__p/git", tag: "trixie" });
  assert.deepEqual(parseReference("nought/debian/with/ca-certificates/g__p__p/git:trixie"), reference);
  assert.deepEqual(recipeWithPackages(reference as never)?.stages.at(-1)?.packages, ["ca-certificates", "g++", "git"]);
  assert.equal(debianContext("debian:trixie")?.repository, "nought/debian");
  assert.equal(debianContext("docker-image://debian"), undefined);
  const alpine = debianContext("debian:trixie?packages=git", "golang:1.23-alpine");
  assert.equal(alpine?.repository, "nought/debian/as-alpine/with/git");
  const stages = (name: string) =>
    recipeWithPackages(parseReference(name))
      ?.stages.slice(1)
      .map(({ title }) => title);
  assert.deepEqual(stages("nought/debian/as-alpine/with/git"), ["packages asked for", LIKE_ALPINE.title]);
  assert.equal(debianContext("debian:trixie", "alpine:latest")?.repository, "nought/debian/as-alpine");
  assert.deepEqual(stages("nought/debian/as-alpine"), [LIKE_ALPINE.title]);
  for (const none of ["nought/debian/with", "nought/debian/other/git", "nought/debian/as-alpine/git"])
    assert.equal(stages(none), undefined, none);
  for (const wrong of [
    "debian:",
    "debian:Trixie",
    "debian:trixie?x=1",
    "debian:trixie?packages=",
    "debian:trixie?packages=A",
    "debian:../x",
  ])
    assert.throws(() => debianContext(wrong), { code: "USAGE" }, wrong);
});

test("the commands of a busybox are found in its own sorted list", () => {
  const names = ["[", "[[", ...Array.from({ length: 30 }, (_, at) => `cmd${String(at).padStart(2, "0")}`)];
  const program = Buffer.concat([Buffer.from("\x7fELF....[\0x\0zz\0aa\0 "), Buffer.from(`${names.join("\0")}\0\0rest`)]);
  assert.deepEqual(appletsOf(program), names);
  assert.throws(() => appletsOf(Buffer.from("\x7fELF nothing")), { code: "PACKAGE" });
});

test("an image for another processor is made once, and does not take this machine's name", async () => {
  await using shop = await Shop.open([]);
  const store = await shop.store();
  const images = embeddedImages(store, { root: "/nowhere", env: {} });
  const s390x = { os: "linux", architecture: "s390x" };
  const first = await images.find(name("nought/tmp"), s390x, shop.task);
  assert(first);
  assert.equal((await shop.look(store, first, s390x)).image.config.architecture, "s390x");
  assert.equal(await store.resolve(name("nought/tmp"), shop.task), undefined);
  assert.deepEqual(await images.find(name("nought/tmp"), s390x, shop.task), first);
});
