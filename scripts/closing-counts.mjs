// A reporter of node:test: failures in full, skips with their reason, then one closing line of counts.
export default async function* report(source) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const event of source) {
    if (event.type === "test:pass") {
      if (event.data.skip !== undefined) {
        skipped++;
        yield `\nskipped: ${event.data.name}: ${event.data.skip}`;
      } else if (event.data.details?.type !== "suite") passed++;
    } else if (event.type === "test:fail" && event.data.details?.type !== "suite") {
      failed++;
      const cause = event.data.details.error?.cause ?? event.data.details.error;
      yield `\nFAILED ${event.data.name} (${event.data.file}:${event.data.line})\n${cause?.stack ?? cause}\n`;
    }
  }
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
