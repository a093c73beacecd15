import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { bundleDriver, HEAVY, testFolder, withoutMounts } from "../store-drivers/start.ts";

const folder = testFolder("power");

/** Why the power of no disk can be cut here, or false. */
function withoutDisks(): string | false {
  const tools = spawnSync("unshare", ["-m", "/bin/sh", "-c", "command -v mkfs.ext4 && command -v perl && losetup -f"], { stdio: "ignore" });
  return withoutMounts() || (tools.status !== 0 && "needs mkfs.ext4, perl and a loop device");
}

test("S30: power cuts at random moments: nothing reported done is lost, nothing partial is referred to", {
  skip: withoutDisks(),
}, async () => {
  const driver = await bundleDriver(folder);
  const seed = process.env["NOUGHT_SEED"] ?? String(Date.now() % 1_000_000);
  console.log(`S30: NOUGHT_SEED=${seed}`);
  const script = join(import.meta.dirname, "../store-drivers/power-cut.ts");
  const { stdout, stderr, status } = spawnSync(
    "unshare",
    ["-m", "--propagation", "private", process.execPath, script, folder, driver, HEAVY ? "100" : "4", seed],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  const { wrong, done } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { wrong: string[]; done: number };
  assert.deepEqual(wrong, []);
  assert.ok(done > 1, "something was done before the power went");
});
