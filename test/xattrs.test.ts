import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pax, tar } from "./craft-tar.ts";
import { Workbench } from "./workbench.ts";

const withAttribute = tar(pax({ "SCHILY.xattr.user.mark": "seen\n" }), { name: "file", body: "same" });

test("C18: extended attributes of context files are not taken, those inside an archive are", async (t) => {
  await using bench = new Workbench();
  const options = { sourceDateEpoch: 1_700_000_000 };
  const plain = bench.folder("plain", { file: "same" });
  const marked = bench.folder("marked", {});
  writeFileSync(join(marked, "a.tar"), withAttribute);
  const unpack = spawnSync("tar", ["--xattrs", "--xattrs-include=user.*", "-xf", "a.tar"], { cwd: marked, encoding: "utf8" });
  const seen = spawnSync("tar", ["--xattrs", "--xattrs-include=user.*", "-cf", "-", "file"], { cwd: marked });
  if (unpack.status !== 0 || !seen.stdout.includes("user.mark=seen")) return t.skip("no extended attributes on this disk, or no GNU tar");
  const dockerfile = "FROM scratch\nCOPY --chmod=644 file /\n";
  assert.equal((await bench.build(marked, dockerfile, options)).digest, (await bench.build(plain, dockerfile, options)).digest);

  const added = await bench.build(marked, "FROM scratch\nADD a.tar /\n", options);
  const entry = await added.get("/file");
  assert.equal(Buffer.from(entry?.xattrs?.get("user.mark") ?? "").toString(), "seen\n");
});
