import assert from "node:assert/strict";
import { test } from "node:test";
import { Workbench } from "../../test/workbench.ts";

test("a user who cannot write to /tmp is told of when the image is built, and only then", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { tmp: { f: "x" }, up: { tmp: { f: "x" } } });
  const notes = async (text: string) =>
    (await bench.build(dir, text)).events.flatMap((event) => (event.type === "note" ? [event.text] : []));
  const [note = ""] = await notes("FROM scratch\nCOPY tmp /tmp\nUSER 1001\n");
  assert.match(note, /^user 1001 cannot write to \/tmp of the image: it has mode 0755\. "COPY --from=nought\/tmp/);
  assert.deepEqual(await notes("FROM scratch\nCOPY tmp /tmp\nUSER 1001\n"), []);
  for (const fine of [
    "COPY --chmod=1777 up /\nUSER 1001",
    "COPY tmp /tmp\nUSER 0:5",
    "COPY tmp /tmp",
    "COPY tmp /t\nUSER 1001",
    "COPY --chown=1001 tmp /tmp\nUSER 1001",
  ])
    assert.deepEqual(await notes(`FROM scratch\nLABEL a=${fine.length}\n${fine}\n`), [], fine);
});
