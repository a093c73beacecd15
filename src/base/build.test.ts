import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { parseNewName } from "../oci/reference.ts";
import { toPath } from "../tree/path.ts";
import { formatLock, type Lock, parseLock } from "./lock.ts";
import type { Recipe } from "./recipe.ts";
import { parseRecipe } from "./recipe-file.ts";
import { AMD64, packaged, Shop } from "./testing/shop.ts";

const CANARY = "/tmp/nought-canary-of-a-script";

async function packages() {
  return [
    await packaged("libthing", {
      files: [
        { path: "./lib/x86_64-linux-gnu/libthing.so", text: "not elf" },
        { path: "./usr/share/doc/libthing/copyright", text: "free\n" },
        { path: "./usr/share/doc/libthing/changelog.gz", text: "long" },
      ],
      scripts: { md5sums: "0123 x\n", postinst: `#!/bin/sh\ntouch ${CANARY}\n` },
      compression: "zst",
    }),
    await packaged("tool", {
      depends: "libthing (>= 1.0)",
      files: [
        { path: "./bin/tool", text: "#!/bin/sh\n", mode: 0o755 },
        { path: "./usr/bin/twin", type: "hardlink", link: "./bin/tool" },
      ],
      scripts: {
        postinst:
          "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/t t /usr/bin/tool 5 \\\n  --slave /usr/bin/tt tt /usr/bin/none\n",
      },
    }),
    await packaged("evil", { files: [{ path: "../../etc/passwd", text: "x" }] }),
  ];
}

const RECIPE: Recipe = {
  stages: [
    { title: "library", packages: ["libthing"], exclude: ["usr/share/doc/*/*", "!usr/share/doc/*/copyright"] },
    {
      title: "tool",
      packages: ["tool"],
      users: [{ name: "app", uid: 1001 }],
      files: [
        { path: "/etc/tool.conf", bytes: Buffer.from("conf\n"), mode: 0o600, uid: 1001 },
        { path: "/tmp", directory: true, mode: 0o1777 },
      ],
    },
  ],
  config: { user: "app", env: { A: "b" }, entrypoint: ["/bin/tool"], workdir: "/home/app" },
};

test("a recipe becomes an image: packages placed, scripts' effects as data, records for scanners", async () => {
  await using shop = await Shop.open(await packages());
  const store = await shop.store();
  const name = parseNewName("tools:1");
  const { root, lock } = await shop.build(RECIPE, store, { names: [name] });
  assert.deepEqual(await store.resolve(name, shop.task), root);
  const { image, tree, text } = await shop.look(store, root);
  assert.equal(image.layers.length, 2);
  assert.equal(tree.get(toPath("/bin"))?.kind, "symlink");
  assert.equal(await text("/bin/tool"), "#!/bin/sh\n");
  assert.equal(await text("/usr/bin/twin"), "#!/bin/sh\n");
  assert.equal(await text("/usr/bin/t"), "#!/bin/sh\n");
  assert.equal(tree.get(toPath("/usr/bin/tt")), undefined);
  assert.equal(await text("/usr/share/doc/libthing/copyright"), "free\n");
  assert.equal(tree.get(toPath("/usr/share/doc/libthing/changelog.gz")), undefined);
  assert.match(await text("/var/lib/dpkg/status.d/tool"), /^Package: tool\nStatus: install ok installed\nVersion: 1.0\n/);
  assert.equal(await text("/var/lib/dpkg/status.d/libthing.md5sums"), "0123 x\n");
  assert.match(await text("/etc/passwd"), /^root:x:0:0:.*\napp:x:1001:1001::\/home\/app:\/sbin\/nologin\n/s);
  const home = tree.get(toPath("/home/app"));
  assert(home?.kind === "dir" && home.uid === 1001 && home.mode === 0o700);
  assert.equal(tree.get(toPath("/tmp"))?.mode, 0o1777);
  assert.deepEqual(image.config.config.Entrypoint, ["/bin/tool"]);
  assert.equal(image.config.config.User, "app");
  assert.match(image.config.history[0]?.created_by ?? "", /library \(libthing=1.0\)/);
  assert.deepEqual(
    lock.platforms["linux/amd64"]?.layers.map((layer) => layer.map((one) => one.name)),
    [["libthing"], ["tool"]],
  );
});

test("D20: scripts are never run, and one that matters is named in a warning", async () => {
  await using shop = await Shop.open(await packages());
  await shop.build(RECIPE, await shop.store());
  assert(!existsSync(CANARY));
  assert.equal(shop.notes.filter((note) => note.includes("libthing: its postinst does more")).length, 1);
  assert(!shop.notes.some((note) => note.includes("tool:")));
});

test("D26: the same lock gives the same digest on another store, later, and without an index", async () => {
  await using shop = await Shop.open(await packages());
  const first = await shop.build(RECIPE, await shop.store());
  const text = formatLock(first.lock);
  assert(!text.includes("://"), "no host stands in a lock");
  const value = parseLock(Buffer.from(text), "x.lock");
  assert.equal(formatLock(value), text);
  // The mirror moves on; the old package is still in its pool.
  await shop.mirror.suite("bookworm", { packages: [await packaged("tool", { version: "2.0" })] });
  const again = await shop.build(RECIPE, await shop.store(), { lock: { value, where: "x.lock" } });
  assert.equal(again.root.digest, first.root.digest);
  assert.equal(again.lock, value);
});

test("a lock is refused for another recipe, and for a platform that it lacks the packages are chosen", async () => {
  await using shop = await Shop.open([
    await packaged("one", { files: [{ path: "one", text: "1" }], architecture: "all" }),
    await packaged("two", { files: [{ path: "two", text: "2" }], architecture: "all" }),
  ]);
  const recipe = (name: string): Recipe => ({ stages: [{ title: "x", packages: [name] }], config: {} });
  const store = await shop.store();
  const { lock } = await shop.build(recipe("one"), store);
  await assert.rejects(shop.build(recipe("two"), store, { lock: { value: lock, where: "l" } }), {
    code: "PACKAGE",
    message: /other packages/,
  });
  const arm = { os: "linux", architecture: "arm64" };
  const both = await shop.build(recipe("one"), store, { lock: { value: lock, where: "l" }, platforms: [AMD64, arm] });
  assert.deepEqual(Object.keys(both.lock.platforms).sort(), ["linux/amd64", "linux/arm64"]);
  assert.equal((await shop.look(store, both.root, arm)).image.config.architecture, "arm64");
  await assert.rejects(shop.build(recipe("one"), store, { platforms: [{ os: "windows", architecture: "amd64" }] }), {
    code: "UNSUPPORTED",
  });
});

test("D14: a package that is not the one of the lock or index is refused, and nothing is named", async () => {
  await using shop = await Shop.open(await packages());
  const store = await shop.store();
  const pool = join(shop.mirror.dir, "pool/main/l/libthing");
  const [file = ""] = readdirSync(pool);
  const bytes = readFileSync(join(pool, file));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(join(pool, file), bytes);
  const name = parseNewName("tools:1");
  await assert.rejects(shop.build(RECIPE, store, { names: [name] }), { code: "DIGEST" });
  assert.equal(await store.resolve(name, shop.task), undefined);
  assert.deepEqual(await store.untagged(), []);
});

test("D17: a package with a path that leads out is refused", async () => {
  await using shop = await Shop.open(await packages());
  const recipe: Recipe = { stages: [{ title: "x", packages: ["evil"] }], config: {} };
  await assert.rejects(shop.build(recipe, await shop.store()), { code: "TAR", message: /evil 1.0.*"\.\." part/ });
});

test("images that share stages share layers", async () => {
  await using shop = await Shop.open(await packages());
  const store = await shop.store();
  const [library] = RECIPE.stages;
  assert(library);
  const low = await shop.look(store, (await shop.build({ stages: [library], config: {} }, store)).root);
  const high = await shop.look(store, (await shop.build(RECIPE, store)).root);
  assert.equal(low.image.layers[0]?.diffId, high.image.layers[0]?.diffId);
});

test("a stage of several layers puts what most packages need into the lowest", async () => {
  const files = (name: string) => [{ path: `opt/${name}`, text: name.repeat(1000) }];
  const made = async (name: string, depends?: string) =>
    ({ ...(await packaged(name, { files: files(name), ...(depends ? { depends } : {}) })) }) as const;
  const withSize = (one: Awaited<ReturnType<typeof made>>) => ({ ...one, fields: { ...one.fields, "Installed-Size": "10" } });
  await using shop = await Shop.open([
    withSize(await made("aa", "libc, libx")),
    withSize(await made("bb", "libc")),
    withSize(await made("libx", "libc")),
    withSize(await made("libc")),
  ]);
  const store = await shop.store();
  const { lock } = await shop.build({ stages: [{ title: "x", packages: ["aa", "bb"], layers: 2 }], config: {} }, store);
  const names = lock.platforms["linux/amd64"]?.layers.map((layer) => layer.map((one) => one.name).sort());
  assert.deepEqual(names, [
    ["libc", "libx"],
    ["aa", "bb"],
  ]);
});

test("a lock file that names a host, leads out or pins nothing is refused", () => {
  const good = { name: "x", version: "1", architecture: "all", suite: "s", path: "pool/x.deb", size: 1, sha256: "0".repeat(64) };
  const lock = (entry: object): Buffer =>
    Buffer.from(JSON.stringify({ version: 1, suite: "s", recipe: "r", platforms: { "linux/amd64": { suites: [], layers: [[entry]] } } }));
  const read: Lock = parseLock(lock(good), "l");
  assert.equal(read.platforms["linux/amd64"]?.layers[0]?.[0]?.name, "x");
  for (const wrong of [
    { path: "http://host/x.deb" },
    { path: "//host/x.deb" },
    { path: "../x.deb" },
    { path: "/etc/x.deb" },
    { path: "pool/x.deb?a=b" },
    { sha256: "0".repeat(63) },
    { size: -1 },
    { name: "X Y" },
    { suite: "../s" },
    { version: "" },
  ])
    assert.throws(() => parseLock(lock({ ...good, ...wrong }), "l"), { code: "PACKAGE" }, JSON.stringify(wrong));
  assert.throws(() => parseLock(Buffer.from("{}"), "l"), { code: "PACKAGE" });
  assert.throws(() => parseLock(Buffer.from("not json"), "l"), { code: "PACKAGE" });
});

test("a package that cannot be had is told with the line of the recipe that names it", async () => {
  await using shop = await Shop.open([await packaged("there")]);
  const store = await shop.store();
  const recipe = await parseRecipe("packages:\n  - there\n  - missing\n", "app.yaml");
  await assert.rejects(shop.build(recipe, store), (error) => {
    assert(error instanceof Failure && error.code === "PACKAGE", String(error));
    assert.equal(error.message, "app.yaml:3: there is no package missing for amd64");
    return true;
  });
});
