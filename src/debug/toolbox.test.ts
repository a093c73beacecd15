import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openShelf } from "../shelf/shelf.ts";
import { openStore } from "../store/store.ts";
import { createTask } from "../task/task.ts";
import { mergeTree } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import { type BusyboxSource, findBusybox, installedBusybox } from "./busybox.ts";
import { isStaticProgram } from "./elf.ts";
import { makeToolbox, storedToolbox, TOOLBOX, toolboxImage } from "./toolbox.ts";

const here = installedBusybox.find("/");
const skip = "why" in here ? here.why : false;

test("a toolbox has a shell, ps and a root file system's files; the same busybox gives the same image", { skip }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-toolbox-"));
  try {
    const digests: string[] = [];
    for (const name of ["one", "two"]) {
      await using store = await openStore(join(dir, name));
      const task = createTask();
      assert.equal(await storedToolbox(store, task), undefined);
      const image = await toolboxImage(store, task);
      digests.push(image.descriptor.digest);
      const shelf = openShelf(store, task);
      const tree = mergeTree(await Promise.all(image.layers.map((layer) => shelf.index(layer))));
      const shell = tree.lookup(toPath("/usr/bin/sh"));
      assert.equal(shell?.path, "/bin/busybox");
      for (const name of ["ps", "ls", "cat", "wget", "nc", "vi"]) assert.ok(tree.lookup(toPath(`/bin/${name}`)), name);
      const passwd = tree.get(toPath("/etc/passwd"));
      assert.ok(passwd?.kind === "file");
      assert.match(Buffer.from(await shelf.read(passwd)).toString(), /^root:x:0:0:/);
      assert.equal(tree.get(toPath("/tmp"))?.mode, 0o1777);
      // From the store the second time, whatever the machine has.
      const again = await toolboxImage(store, task, [{ name: "none", find: () => ({ why: "not asked" }) }]);
      assert.equal(again.descriptor.digest, image.descriptor.digest);
      assert.deepEqual(
        (await store.names()).map((one) => one.name),
        [TOOLBOX],
      );
      assert.deepEqual(
        (await store.check()).filter((one) => one.level === "error"),
        [],
      );
    }
    assert.equal(digests[0], digests[1]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("only a static program for this processor that has a shell makes a toolbox; who said what is told", { skip }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-toolbox-"));
  try {
    assert.equal(isStaticProgram(process.execPath), false);
    assert.equal(isStaticProgram("/etc/passwd"), false);
    assert.equal(isStaticProgram("/dev/zero"), false);
    assert.equal(isStaticProgram(join(dir, "absent")), false);
    const path = "path" in here ? here.path : "";
    assert.equal(isStaticProgram(path), true);
    copyFileSync(path, join(dir, "foreign"));
    const foreign = Buffer.from("\x7fELF".padEnd(64, "\0"), "latin1");
    foreign[4] = 2;
    foreign[5] = 1;
    foreign.writeUInt16LE(0xfff0, 18);
    writeFileSync(join(dir, "foreign"), foreign);
    assert.equal(isStaticProgram(join(dir, "foreign")), false);
    writeFileSync(join(dir, "no-shell"), "#!/bin/sh\necho ls\n", { mode: 0o755 });
    const sources: BusyboxSource[] = [
      { name: "a", find: () => ({ why: "none here" }) },
      { name: "b", find: () => ({ path: join(dir, "no-shell") }) },
    ];
    assert.throws(() => findBusybox(join(dir, "work"), sources), {
      code: "NOT_FOUND",
      message: /^no toolbox can be made: a: none here; b: .*no-shell does not run here, or has no shell$/,
    });
    mkdirSync(join(dir, "store"));
    await using store = await openStore(join(dir, "store"));
    await assert.rejects(makeToolbox(store, createTask(), sources), { code: "NOT_FOUND" });
    assert.deepEqual(await store.names(), []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
