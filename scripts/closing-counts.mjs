// A reporter of node:test: failures in full, skips with their reason, nothing for what passes. The counts go to the file that
// NOUGHT_TEST_COUNTS names, from which scripts/test.mjs makes the one closing line.
import { writeFileSync } from "node:fs";
import { relative } from "node:path";

export default async function* report(source) {
  const counts = { passed: 0, failed: 0, skipped: 0, slowest: [] };
  const above = []; // names of the suites around the running test, by nesting
  for await (const { type, data } of source) {
    if (type === "test:stderr") yield data.message;
    if (type === "test:start") above[data.nesting] = data.name;
    if (type !== "test:pass" && type !== "test:fail") continue;
    const name = [...above.slice(0, data.nesting), data.name].join(" > ");
    const file = data.file ? relative(process.cwd(), data.file) : "";
    const isSuite = data.details?.type === "suite";
    if (data.skip !== undefined || data.todo !== undefined) {
      if (isSuite) continue;
      counts.skipped++;
      yield `skipped: ${file}: ${name}: ${data.skip || data.todo || "no reason given"}\n`;
    } else if (type === "test:pass") {
      if (isSuite) continue;
      counts.passed++;
      counts.slowest.push([Math.round(data.details?.duration_ms ?? 0), `${file}: ${name}`]);
      if (counts.slowest.length > 50) keepSlowest(counts);
    } else {
      const error = data.details?.error;
      if (error?.failureType === "subtestsFailed") continue; // said already, where it happened
      counts.failed++;
      const cause = error?.cause ?? error;
      yield `\nFAILED ${file}:${data.line}: ${name}\n${cause?.stack ?? cause}\n\n`;
    }
  }
  keepSlowest(counts);
  if (process.env.NOUGHT_TEST_COUNTS) writeFileSync(process.env.NOUGHT_TEST_COUNTS, JSON.stringify(counts));
}

function keepSlowest(counts) {
  counts.slowest = counts.slowest.sort((a, b) => b[0] - a[0]).slice(0, 5);
}
