import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { removeTree } from "../rootfs/remove.ts";
import type { UnpackHow } from "../rootfs/unpack.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";
import { mergeTree } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import type { CacheMount, CacheMountStore, CacheMountWish } from "./mount.ts";
import { slotsIn } from "./slot.ts";
import { takeCacheMount } from "./take.ts";

const how: UnpackHow = { ids: "mine", calls: { overlay: "user", change: (all) => all.map(() => 0), attributes: () => [] } };

/** A store in a temporary folder, and a way to take mounts in it. */
async function within(
  work: (take: (wish: Partial<CacheMountWish>, signal?: AbortSignal) => Promise<CacheMount>, store: CacheMountStore) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-cache-"));
  try {
    await using store = await openStore(join(dir, "store"));
    await work(
      (wish, signal) =>
        takeCacheMount(
          store,
          { id: "go", sharing: "shared", ...wish },
          how,
          createTask(() => {}, signal),
        ),
      store,
    );
  } finally {
    removeTree(dir);
  }
}

const put = (mount: CacheMount, text: string) => writeFileSync(join(mount.path, "note"), text);
const read = (mount: CacheMount) => readFileSync(join(mount.path, "note"), "utf8");

test("what a step leaves in a cache mount is there for the next one with the same id, and for no other", async () => {
  await within(async (take) => {
    {
      await using mount = await take({});
      assert.equal(mount.fresh, true);
      put(mount, "kept");
    }
    await using again = await take({});
    assert.deepEqual([again.fresh, read(again)], [false, "kept"]);
    await using other = await take({ id: "rust" });
    assert.deepEqual(readdirSync(other.path), []);
  });
});

test("shared: all in one directory; private: each in its own, which is used again later", async () => {
  await within(async (take) => {
    const one = await take({});
    const two = await take({});
    assert.equal(one.path, two.path);
    const three = await take({ sharing: "private" });
    assert.notEqual(three.path, one.path);
    const four = await take({ sharing: "private" });
    assert.equal(new Set([one.path, three.path, four.path]).size, 3);
    for (const mount of [one, two, three, four]) await mount[Symbol.asyncDispose]();
    await using five = await take({ sharing: "private" });
    assert.equal(five.path, one.path);
    await using six = await take({});
    assert.equal(six.path, three.path, "who shares does not go where somebody wants to be alone");
  });
});

test("S13: locked: one after the other, and a signal ends the waiting", async () => {
  await within(async (take) => {
    const first = await take({ sharing: "locked" });
    const events: string[] = [];
    const second = take({ sharing: "locked" }).then((mount) => {
      events.push("second");
      return mount;
    });
    const stop = new AbortController();
    const third = assert.rejects(take({ sharing: "locked" }, stop.signal), (error: Failure) => error.code === "INTERRUPTED");
    await new Promise((resolve) => setTimeout(resolve, 250));
    stop.abort();
    await third;
    events.push("first is done");
    await first[Symbol.asyncDispose]();
    await using mount = await second;
    assert.deepEqual([events, mount.path], [["first is done", "second"], first.path]);
  });
});

test("a lock ends with the process that held it", { timeout: 30_000 }, async () => {
  await within(async (take, store) => {
    const code = `
      import { takeCacheMount } from ${JSON.stringify(join(import.meta.dirname, "take.ts"))};
      import { openStore } from ${JSON.stringify(join(import.meta.dirname, "../store/store.ts"))};
      import { createTask } from ${JSON.stringify(join(import.meta.dirname, "../task/task.ts"))};
      const store = await openStore(${JSON.stringify(store.dir)});
      await takeCacheMount(store, { id: "go", sharing: "locked" }, { ids: "mine", calls: {} }, createTask());
      console.log("taken");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await new Promise((resolve) => child.stdout.once("data", resolve));
      const waiting = take({ sharing: "locked" });
      await new Promise((resolve) => setTimeout(resolve, 150));
      child.kill("SIGKILL");
      await using mount = await waiting;
      assert.equal(mount.fresh, false);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

test("who cannot be asked whether he lives, in another container, counts for a week", async () => {
  await within(async (take, store) => {
    await (await take({ sharing: "locked" }))[Symbol.asyncDispose]();
    const [slot] = slotsIn(join(store.dir, "mounts"));
    const boot = uniqueToken().split("-")[2];
    const user = join(slot?.dir ?? "", "users", `1-1-${boot}-99-1.alone`);
    writeFileSync(user, "");
    await assert.rejects(take({ sharing: "locked" }, AbortSignal.timeout(200)), (error: Failure) => error.code === "INTERRUPTED");
    utimesSync(user, 1000, 1000);
    await using mount = await take({ sharing: "locked" });
    assert.equal(mount.fresh, false);
  });
});

test("many at once make one directory where they share, and as many as they are where they do not", async () => {
  await within(async (take, store) => {
    const together = await Promise.all(Array.from({ length: 8 }, () => take({})));
    assert.equal(new Set(together.map((one) => one.path)).size, 1);
    const alone = await Promise.all(Array.from({ length: 8 }, () => take({ id: "own", sharing: "private" })));
    assert.equal(new Set(alone.map((one) => one.path)).size, 8);
    for (const mount of [...together, ...alone]) await mount[Symbol.asyncDispose]();
    assert.equal(slotsIn(join(store.dir, "mounts")).length, 9);
    assert.deepEqual(
      readdirSync(join(store.dir, "mounts")).filter((name) => name.startsWith("half-")),
      [],
    );
  });
});

test("X08: an id that looks like a path stays in its place", async () => {
  await within(async (take, store) => {
    for (const id of ["../../x", "/etc", "", ".", "a/../../..", "x".repeat(100_000), "\0", "lock"]) {
      await using mount = await take({ id });
      assert.match(mount.path.slice(store.dir.length), /^\/mounts\/[0-9a-f]{64}-0\/data$/);
    }
    assert.deepEqual(
      readdirSync(store.dir)
        .filter((name) => !["tmp", "mounts"].includes(name))
        .includes("x"),
      false,
    );
  });
});

test("a new mount has the mode asked for; another mode is another mount", async () => {
  await within(async (take) => {
    const mode = async (wish: Partial<CacheMountWish>) => {
      await using mount = await take(wish);
      return (lstatSync(mount.path).mode & 0o7777).toString(8);
    };
    assert.deepEqual([await mode({}), await mode({ mode: 0o700 }), await mode({ mode: 0o1777 })], ["755", "700", "1777"]);
  });
});

test("a mount begins with a directory of another stage, also behind a link, and only once", async () => {
  const facts = { uid: 0, gid: 0, mtime: 1000 };
  const draft: Draft = [
    { kind: "dir", path: toPath("/a"), mode: 0o755, ...facts },
    { kind: "dir", path: toPath("/a/b"), mode: 0o711, ...facts },
    { kind: "file", path: toPath("/a/b/note"), mode: 0o640, ...facts, size: 4, content: { in: "memory", bytes: Buffer.from("seed") } },
    { kind: "symlink", path: toPath("/to"), mode: 0o777, ...facts, target: "../a/b" },
  ];
  const seed = (source: string) => ({ identity: "x", tree: mergeTree([draft]), source: toPath(source), files: async () => -1 });
  await within(async (take, store) => {
    {
      await using mount = await take({ seed: seed("/to") });
      assert.deepEqual([read(mount), lstatSync(mount.path).mode & 0o777], ["seed", 0o711]);
      put(mount, "other");
    }
    await using again = await take({ seed: seed("/to") });
    assert.equal(read(again), "other");
    await assert.rejects(take({ seed: seed("/nowhere") }), (error: Failure) => error.code === "NOT_FOUND");
    await assert.rejects(take({ seed: seed("/a/b/note") }), (error: Failure) => error.code === "NOT_FOUND");
    assert.deepEqual(
      readdirSync(join(store.dir, "mounts")).filter((name) => name.startsWith("half-")),
      [],
    );
  });
});

test("what a killed process left half-made is swept, and a mount without its record is not used", async () => {
  await within(async (take, store) => {
    const folder = join(store.dir, "mounts");
    {
      await using mount = await take({});
      put(mount, "x");
      writeFileSync(join(mount.path, "../record"), "{ torn");
    }
    mkdirSync(join(folder, "half-1-1-deadbeef-1-1", "data"), { recursive: true });
    await using mount = await take({});
    assert.deepEqual([mount.fresh, existsSync(join(folder, "half-1-1-deadbeef-1-1"))], [true, false]);
  });
});
