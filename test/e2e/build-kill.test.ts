import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertTidy, assertWhole, context, digestOfName } from "../builds.ts";
import { program } from "../program.ts";
import { COUNTABLE, HEAVY, pointsOf, randomFrom, strike, trace, withoutStrace } from "../store-drivers/start.ts";

const nought = await program();
nought.write({ ...context("anchor", 5000), ...context("new") });
nought.out("build", "-q", "-t", "anchor", "anchor");
const prepared = nought.env["NOUGHT_STORE"] as string;
const anchor = await digestOfName(prepared, "anchor");
const CALLS = ["write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "unlinkat", "mkdir", "rmdir", "fchmod", "openat"];

const storeAt = (name: string) => join(nought.dir, name);
const build = (store: string) => [
  "--store",
  store,
  "build",
  "-q",
  "-t",
  "new",
  "-o",
  "type=image",
  "-o",
  `type=oci,dest=${storeAt("out.tar")}`,
  storeAt("new"),
];

/** The image of an undisturbed build, and its archive. */
const expected = await (async () => {
  const store = storeAt("undisturbed");
  cpSync(prepared, store, { recursive: true });
  nought.out(...build(store));
  const digest = await digestOfName(store, "new");
  const archive = readFileSync(storeAt("out.tar"));
  for (const path of [store, storeAt("out.tar")]) rmSync(path, { recursive: true });
  return { digest, archive };
})();

/** After a kill: whatever was there is whole, and the same build comes to the same image. */
async function judge(store: string, what: string): Promise<void> {
  await assertWhole(store, what);
  assert.equal(await digestOfName(store, "anchor"), anchor, `${what}: what was there is there`);
  const named = await digestOfName(store, "new");
  assert.ok(named === undefined || named === expected.digest, `${what}: the name is set, or not`);
  if (existsSync(storeAt("out.tar")))
    assert.ok(readFileSync(storeAt("out.tar")).equals(expected.archive), `${what}: the archive is whole, or not there`);
  nought.out(...build(store));
  assert.equal(await digestOfName(store, "new"), expected.digest, `${what}: built again, it is the same`);
  assert.ok(readFileSync(storeAt("out.tar")).equals(expected.archive), what);
  rmSync(storeAt("out.tar"));
  assert.deepEqual(
    readdirSync(nought.dir).filter((name) => name.startsWith(".out.tar")),
    [],
    `${what}: no half archive is left`,
  );
  await assertWhole(store, `${what}, built again`);
  assertTidy(store, what);
}

test("S01: kill -9 at every call of a build that changes a file", { skip: withoutStrace() }, async () => {
  const random = randomFrom("S01 build");
  const store = storeAt("storm");
  cpSync(prepared, store, { recursive: true });
  const lines = trace(nought.dir, CALLS.join(","), [...nought.command, ...build(store)]);
  rmSync(store, { recursive: true });
  rmSync(storeAt("out.tar"));
  const points = pointsOf(lines, nought.dir, CALLS, HEAVY);
  assert.ok(points.length > 60, `there are ${points.length} points to be killed at`);
  const chosen = HEAVY ? points : points.filter(() => random() < 16 / points.length);
  let killed = 0;
  for (const point of chosen) {
    cpSync(prepared, store, { recursive: true });
    const { signal, status } = strike(point, "signal=SIGKILL", [...nought.command, ...build(store)]);
    if (signal === "SIGKILL" || status === 137) killed++;
    await judge(store, `killed at ${point.call} ${point.n}`);
    rmSync(store, { recursive: true });
  }
  assert.ok(killed >= chosen.length / 2, `${killed} of ${chosen.length} were killed`);
});

test("S23: kill -9 after the layers and before their records, after the records and before the name", {
  skip: withoutStrace(),
}, async () => {
  const store = storeAt("between");
  const calls = ["write", "pwrite64", "rename", "openat"];
  cpSync(prepared, store, { recursive: true });
  const lines = trace(nought.dir, calls.join(","), [...nought.command, ...build(store)]);
  rmSync(store, { recursive: true });
  rmSync(storeAt("out.tar"));
  for (const place of ["/records", "/names/", "/scratch/", "/index/"]) {
    const [point] = pointsOf(lines, join(store, place), calls);
    assert(point, `something touches ${place}`);
    cpSync(prepared, store, { recursive: true });
    strike(point, "signal=SIGKILL", [...nought.command, ...build(store)]);
    await judge(store, `killed when it came to ${place}`);
    rmSync(store, { recursive: true });
  }
});

test("S02: kill -9 at random moments of builds, always the same store", async () => {
  const random = randomFrom("S02 build");
  const store = storeAt("random");
  cpSync(prepared, store, { recursive: true });
  const acknowledged = new Map<string, string>();
  let killed = 0;
  for (let round = 0; round < (HEAVY ? 300 : 24); round++) {
    const name = `image${round % 3}`;
    nought.write(context("changing", 300_000, `round ${Math.floor(round / 2)}`));
    const child = nought.start(["--store", store, "build", "-q", "-t", name, "changing"], COUNTABLE);
    let said = "";
    child.stdout?.on("data", (chunk) => (said += chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), 30 + random() * 120);
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    clearTimeout(timer);
    assert.ok(code === 0 || code === null, `round ${round} ended with ${code}`);
    if (code === null) killed++;
    const now = await digestOfName(store, name);
    if (code === 0) {
      assert.match(said, /^sha256:/);
      acknowledged.set(name, now as string);
    } else if (now !== undefined) acknowledged.set(name, now);
    await assertWhole(store, `round ${round}`);
    for (const [known, digest] of acknowledged) assert.equal(await digestOfName(store, known), digest, `round ${round}: ${known}`);
  }
  assert.ok(killed > 0, "some were killed");
  assert.equal(await digestOfName(store, "anchor"), anchor);
  nought.out("--store", store, "image", "prune", "-f");
  assertTidy(store, "after all");
});
