// Runs the tests: units in one process, whole-program tests (test/e2e) each in its own. `npm test -- FILE…` runs only those.
// The last line says `N passed, N failed, N skipped`.
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
if (Number.parseInt(process.versions.node, 10) < 24) {
  console.error(`the tests need Node 24, this is ${process.version}: start them with \`npm test\` after \`npm ci\``);
  process.exit(1);
}
const named = process.argv.slice(2);
const units =
  named.length > 0 ? named : globSync(["src/**/*.test.ts", "test/**/*.test.ts"], { cwd: root, exclude: ["test/e2e/**"] }).sort();
const whole = named.length > 0 ? [] : globSync("test/e2e/**/*.test.ts", { cwd: root }).sort();

const scratch = mkdtempSync(join(tmpdir(), "nought-tests-"));
const total = { passed: 0, failed: 0, skipped: 0, slowest: [] };
run("units", ["--test-isolation=none", ...units]);
if (whole.length > 0) run("whole", ["--test-concurrency=2", "--test-timeout=600000", ...whole]);
rmSync(scratch, { recursive: true, force: true });

const slowest = total.slowest.sort((a, b) => b[0] - a[0]).slice(0, 5);
if (named.length === 0) for (const [ms, name] of slowest) console.log(`slow: ${(ms / 1000).toFixed(1)} s ${name}`);
const line = `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`;
console.log(line);
if (process.env.CI) writeFileSync(join(root, "node_modules/.test-counts"), `${line}\n`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** One run of node's test runner, its counts added to the total. A run that ends badly without a failed test counts as one. */
function run(name, args) {
  const file = join(scratch, name);
  const { status, signal, error } = spawnSync(process.execPath, ["--test", "--test-reporter=./scripts/closing-counts.mjs", ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, NOUGHT_TEST_COUNTS: file },
  });
  let counts = { passed: 0, failed: 0, skipped: 0, slowest: [] };
  try {
    counts = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    console.log(`FAILED: the run of ${name} did not come to an end (${signal ?? error?.message ?? `exit ${status}`})`);
  }
  if (status !== 0 && counts.failed === 0) {
    counts.failed = 1;
    console.log(`FAILED: the run of ${name} ended with ${signal ?? `exit ${status}`} although no test failed`);
  }
  for (const key of ["passed", "failed", "skipped"]) total[key] += counts[key];
  total.slowest.push(...counts.slowest);
}
