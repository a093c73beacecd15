import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BLANK, Workbench } from "../../test/workbench.ts";
import { createTask } from "../task/task.ts";
import { type Printable, print } from "./print.ts";
import type { BuildRequest } from "./request.ts";

// Each folder holds a Dockerfile, its context, perhaps a request.json with further fields of a BuildRequest, and what `--print` shows of
// it.
// A file that is missing is not compared. NOUGHT_GOLDEN=write writes what is found instead of comparing; delete what cannot be.
const ROOT = join(import.meta.dirname, "../../testdata/build");
const WRITE = process.env.NOUGHT_GOLDEN === "write";
const PRINTABLE: readonly Printable[] = ["syntax", "plan", "keys", "manifest"];

for (const name of readdirSync(ROOT).sort()) {
  const folder = join(ROOT, name);
  for (const what of PRINTABLE) {
    const file = join(folder, `${what}.json`);
    if (!WRITE && !existsSync(file)) continue;
    test(`--print ${what}: ${name}`, async () => {
      await using bench = new Workbench();
      const found = await print(what, request(bench, folder), await bench.store, createTask()).catch((error: Error) => error);
      if (found instanceof Error) {
        if (!WRITE) throw found;
        console.log(`${name}: no ${what}.json: ${found.message}`);
      } else if (WRITE) writeFileSync(file, found);
      else assert.equal(found, readFileSync(file, "utf8"));
    });
  }
}

/** The case's context as any checkout would have it: modes and times are not what git keeps. */
function request(bench: Workbench, folder: string): BuildRequest {
  const dir = join(bench.dir, "context");
  cpSync(join(folder, "context"), dir, { recursive: true });
  for (const one of [".", ...readdirSync(dir, { recursive: true, encoding: "utf8" })]) {
    const path = join(dir, one);
    utimesSync(path, 1_600_000_000, 1_600_000_000);
    chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644);
  }
  const more = join(folder, "request.json");
  return {
    context: { kind: "dir", path: dir },
    dockerfile: { kind: "path", path: join(folder, "Dockerfile") },
    ...BLANK,
    platform: { os: "linux", architecture: "amd64" },
    sourceDateEpoch: 1_700_000_000,
    ...(existsSync(more) ? (JSON.parse(readFileSync(more, "utf8")) as Partial<BuildRequest>) : {}),
  };
}

test("what --print shows of a build is what the build does", async () => {
  await using bench = new Workbench();
  const one = request(bench, join(ROOT, "stages"));
  const store = await bench.store;
  const printed = JSON.parse(await print("manifest", one, store, createTask()));
  const { build } = await import("./build.ts");
  const { assembled } = await build(one, store, createTask());
  assert.deepEqual(printed, JSON.parse(Buffer.from(assembled.manifestBytes).toString()));
  const keys = JSON.parse(await print("keys", one, store, createTask())) as { cached: boolean }[];
  assert.ok(keys.length > 0 && keys.every((key) => key.cached), "and what it remembers");
  assert.deepEqual(await store.names(), []);
});
