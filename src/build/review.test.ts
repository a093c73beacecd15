import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../test/refused.ts";
import { Workbench } from "../../test/workbench.ts";
import { parseReference, withDefaultTag } from "../oci/reference.ts";

const rules = (events: readonly { readonly type: string; readonly rule?: string; readonly level?: string }[]) =>
  events.flatMap((event) => (event.type === "finding" ? [`${event.level} ${event.rule}`] : []));

test("build checks are warnings of every build, and errors where the file asks for it", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  const text = "FROM scratch as x\nMAINTAINER me\n";
  assert.deepEqual(rules((await bench.build(dir, text)).events), ["warning FromAsCasing", "warning MaintainerDeprecated"]);
  assert.deepEqual(rules((await bench.build(dir, `# check=skip=FromAsCasing\n${text}`)).events), ["warning MaintainerDeprecated"]);
  assert.deepEqual(rules((await bench.build(dir, `# check=skip=all\n${text}`)).events), []);
  await assert.rejects(bench.build(dir, `# check=error=true\n${text}`), refused("CHECK", /lint violation|FromAsCasing|check/i));
  await assert.rejects(bench.build(dir, text, { checkOption: "error=true" }), refused("CHECK", /lint violation|FromAsCasing|check/i));
  assert.equal((await (await bench.store).names()).length, 0);
});

test("checks know the bases of a build: their variables, and the platform they are for", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {});
  const names = [withDefaultTag(parseReference("base"))];
  await bench.build(dir, "FROM scratch\nENV KNOWN=1\n", { names });
  assert.deepEqual(rules((await bench.build(dir, "FROM base\nENV A=$KNOWN\n")).events), []);
  assert.deepEqual(rules((await bench.build(dir, "FROM base\nENV A=$UNKNOWN\n")).events), ["warning UndefinedVar"]);
  const { events } = await bench.build(dir, "FROM --platform=linux/arm64 base\n");
  assert.deepEqual(rules(events), ["warning FromPlatformFlagConstDisallowed", "warning InvalidBaseImagePlatform"]);
  assert.ok(
    events.some((event) => event.type === "note" && /is for linux\/.*, not for linux\/arm64/.test(event.text)) || process.arch === "arm64",
  );
});
