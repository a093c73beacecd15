import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { ownPrivileges } from "../sandbox/privileges.ts";
import { createTask } from "../task/task.ts";
import { toPath } from "../tree/path.ts";
import { prepareLowers, type SourceLayer } from "./lowers.ts";
import { ownHow } from "./open.ts";
import { removeTree } from "./remove.ts";
import { sweepLowers, unpackedLayers } from "./sweep.ts";
import { manyFiles } from "./testing/many-files.ts";
import { whyNot } from "./testing/overlay.ts";

const skip = whyNot();
const how = ownHow();
const task = createTask();
const script = join(import.meta.dirname, "testing/unpacking.ts");

async function within(work: (store: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nought-lowers-"));
  try {
    await work(dir);
  } finally {
    removeTree(dir);
  }
}

const layerOf = (count: number): SourceLayer => ({ diffId: digestOf(`${count}`), draft: manyFiles(count) });
const prepare = (store: string, ...layers: SourceLayer[]) => prepareLowers(store, layers, async () => -1, how, task);
const names = (store: string) => {
  const folder = join(store, "rootfs");
  return ["root", "ranges", "noted"].flatMap((form) => (existsSync(join(folder, form)) ? readdirSync(join(folder, form)) : []));
};
const halves = (store: string) => names(store).filter((name) => name.startsWith("half-"));

/** Starts another process that unpacks; what it says comes line by line. */
function start(
  store: string,
  count: number,
  env: NodeJS.ProcessEnv = {},
): { child: ChildProcess; said: (what: string) => Promise<string> } {
  const child = spawn(process.execPath, [script, store, String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  let text = "";
  const said = (what: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => text.split("\n").find((line) => line.startsWith(what));
      const now = look();
      if (now !== undefined) return resolve(now);
      child.stdout?.on("data", () => {
        const line = look();
        if (line !== undefined) resolve(line);
      });
      child.once("exit", () => reject(new Error(`it ended and said: ${text}`)));
    });
  child.stdout?.on("data", (piece) => (text += piece));
  return { child, said };
}

test("several processes unpack one layer at once: one directory, whole, and nothing beside it", { skip, timeout: 60_000 }, async () => {
  await within(async (store) => {
    const others = Array.from({ length: 3 }, () => start(store, 3000));
    const said = await Promise.all(others.map(({ said }) => said("done")));
    const [own] = (await prepare(store, layerOf(3000))).directories;
    assert.deepEqual([...new Set(said)], [`done ${own}`]);
    assert.equal(readdirSync(own as string).length, 30);
    assert.deepEqual(halves(store), []);
  });
});

test("kill -9 while unpacking leaves nothing under a final name, and a sweep takes the rest", { skip, timeout: 60_000 }, async () => {
  await within(async (store) => {
    const { child } = start(store, 20_000);
    // As soon as there is something to be left.
    for (let at = 0; at < 2000 && halves(store).length === 0; at++) await new Promise((resolve) => setTimeout(resolve, 5));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    assert.equal(halves(store).length, 1);
    assert.deepEqual(unpackedLayers(store), []);
    assert.equal((await sweepLowers(store)).removed, 1);
    assert.deepEqual(names(store), []);
    mkdirSync(join(store, "rootfs/root/half-1-1-deadbeef-1-1/x"), { recursive: true });
    mkdirSync(join(store, "rootfs/ranges/half-1-1-deadbeef-1-1/x"), { recursive: true });
    mkdirSync(join(store, "rootfs/noted/half-1-1-deadbeef-1-1/x"), { recursive: true });
    await prepare(store, layerOf(10));
    assert.equal(halves(store).length, 2, "who unpacks into a folder sweeps it");
  });
});

test("a layer that a living process uses stays, whatever the sweep is told, and goes with its process", {
  skip,
  timeout: 60_000,
}, async () => {
  await within(async (store) => {
    const { child, said } = start(store, 10, { NOUGHT_TEST_STAY: "1" });
    await said("done");
    assert.equal((await sweepLowers(store, () => false)).removed, 0);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    assert.equal(unpackedLayers(store)[0]?.diffId, digestOf("10"));
    assert.equal((await sweepLowers(store, ({ diffId }) => diffId === digestOf("10"))).removed, 0);
    assert.deepEqual(await sweepLowers(store, () => false), { removed: 1, bytes: 60 });
    assert.deepEqual([names(store), readdirSync(join(store, "rootfs/users"))], [[], []]);
  });
});

test("a layer that another boot left unsynced is unpacked anew", { skip, timeout: 60_000 }, async () => {
  await within(async (store) => {
    const [directory = ""] = (await prepare(store, layerOf(10))).directories;
    writeFileSync(join(directory, "000000/00000000"), "");
    assert.equal((await prepare(store, layerOf(10))).directories[0], directory);
    assert.equal(readFileSync(join(directory, "000000/00000000"), "utf8"), "", "in this boot it is taken as it is");
    // Its mark goes when all is on the disk, beside everything else.
    for (let at = 0; at < 1000 && existsSync(`${directory}.new`); at++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(existsSync(`${directory}.new`), false);
    writeFileSync(`${directory}.new`, "deadbeef");
    await prepare(store, layerOf(10));
    assert.equal(readFileSync(join(directory, "000000/00000000"), "utf8"), "file 0");
  });
});

test("no space left: the failure says so, and nothing is left", {
  skip: skip || (ownPrivileges().initial ? false : "not root"),
}, async () => {
  await within(async (dir) => {
    const store = join(dir, "small");
    mkdirSync(store);
    // In a mount namespace of its own, so that nothing stays mounted.
    const code = `mount -t tmpfs -o size=1m,nr_inodes=2000 none "$1" && shift && "$@"; echo code $?; ls -R "$0/rootfs"`;
    const args = [store, store, process.execPath, script, store, "5000"];
    const { stdout, stderr } = spawnSync("unshare", ["-m", "sh", "-c", code, ...args], { encoding: "utf8" });
    assert.match(stderr, /no (?:space|inodes) left on the disk/);
    assert.match(stdout, /code 1\n/);
    assert.doesNotMatch(stdout, /half-|[0-9a-f]{64}/);
  });
});

test("a layer without its parents is kept by its chain: another stack gets another directory", { skip }, async () => {
  await within(async (store) => {
    const facts = { uid: 0, gid: 0, mtime: 1000 };
    const top: SourceLayer = {
      diffId: digestOf("top"),
      draft: [{ kind: "symlink", path: toPath("/000000/link"), mode: 0o777, ...facts, target: "x" }],
    };
    const one = await prepare(store, layerOf(10), top);
    const two = await prepare(store, layerOf(20), top);
    assert.notEqual(one.directories[1], two.directories[1]);
    assert.ok(names(store).includes(hexOf(digestOf(`${digestOf("10")} ${digestOf("top")}`))));
    assert.ok(unpackedLayers(store).some(({ diffId, name }) => diffId === top.diffId && name !== hexOf(diffId)));
  });
});

test("an id that does not exist here is named, with the way out", {
  skip: skip || (how.ids === "keep" ? false : "only one id"),
}, async () => {
  await within(async (store) => {
    const facts = { mode: 0o755, mtime: 0 };
    const layer: SourceLayer = {
      diffId: digestOf("far"),
      draft: [{ kind: "dir", path: toPath("/far"), uid: 2 ** 32 - 2, gid: 0, ...facts }],
    };
    if (ownPrivileges().initial) return void (await prepare(store, layer));
    await assert.rejects(
      prepare(store, layer),
      (error: Failure) => error.code === "SANDBOX" && /\/far belongs to user 4294967294/.test(error.message),
    );
    assert.deepEqual(halves(store), []);
  });
});
