// Runs the tests: units in one process, whole-program tests (test/e2e) each in its own. `npm test -- FILE…` runs only those.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const named = process.argv.slice(2);
const units = named.length > 0 ? named : globSync(["src/**/*.test.ts", "test/*.test.ts"], { cwd: root }).sort();
const whole = named.length > 0 ? [] : globSync("test/e2e/*.test.ts", { cwd: root }).sort();
const run = (args) => {
  const { status, signal } = spawnSync(process.execPath, ["--test", ...args], { cwd: root, stdio: "inherit" });
  return signal ? 1 : (status ?? 1);
};
let worst = run([
  "--test-isolation=none",
  "--test-reporter=dot",
  "--test-reporter-destination=stdout",
  "--test-reporter=./scripts/closing-counts.mjs",
  "--test-reporter-destination=stdout",
  ...units,
]);
if (whole.length > 0) worst = run(["--test-concurrency=2", "--test-timeout=600000", ...whole]) || worst;
process.exit(worst);
