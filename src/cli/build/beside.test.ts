import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { contextsBeside } from "./beside.ts";

async function read(text: string | undefined) {
  const dir = mkdtempSync(join(tmpdir(), "nought-beside-"));
  try {
    if (text !== undefined) writeFileSync(join(dir, "nought.yaml"), text);
    return await contextsBeside({ kind: "path", path: join(dir, "Dockerfile") });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("a file beside the Dockerfile says what stands in for its images", async () => {
  assert.deepEqual(await read(undefined), []);
  assert.deepEqual(await contextsBeside({ kind: "text", text: "FROM x" }), []);
  const found = await read("contexts:\n  golang:1.23-alpine: debian:trixie?packages=golang-go,git\n  base: docker-image://app:1\n");
  assert.deepEqual(
    found.map(([name, context]) => [name, context.kind]),
    [
      ["golang:1.23-alpine", "image"],
      ["base", "image"],
    ],
  );
});

test("it reaches no folder of the machine, and mistakes are told with their line", async () => {
  await assert.rejects(read("contexts: {x: /etc}\n"), { code: "USAGE", message: /x is neither debian:/ });
  await assert.rejects(read("contexts: {x: oci-layout:///etc}\n"), { code: "USAGE" });
  await assert.rejects(read("contexts:\n  x: debian:trixie?packages=A\n"), {
    code: "USAGE",
    message: /nought.yaml: build context debian:trixie/,
  });
  await assert.rejects(read("\ncontext: {}\n"), { code: "USAGE", message: /nought.yaml:2: nought.yaml has no "context"/ });
  await assert.rejects(read("contexts: [a\n"), { code: "USAGE" });
});
