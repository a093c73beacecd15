import assert from "node:assert/strict";
import { test } from "node:test";
import { Workbench } from "../../test/workbench.ts";
import { openShelf } from "../shelf/shelf.ts";
import { createTask } from "../task/task.ts";
import { packagesOf } from "./base-packages.ts";
import { MADE_BY } from "./images.ts";

test("the packages of an image that nought made are read from dpkg's books; other images are not looked into", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", {
    tool: "Package: tool\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n",
    "tool.md5sums": "0123  usr/bin/tool\n",
    status: "Package: base-files\nStatus: install ok installed\nVersion: 12.4\nArchitecture: amd64\n",
  });
  const { result } = await bench.build(
    dir,
    "FROM scratch\nCOPY tool tool.md5sums /var/lib/dpkg/status.d/\nCOPY status /var/lib/dpkg/status\n",
  );
  const { image } = result.assembled;
  const shelf = openShelf(await bench.store, createTask());
  const made = { ...image, annotations: { [MADE_BY]: "nought/tool:bookworm bookworm 1" } };
  assert.deepEqual(await packagesOf(made, shelf), [
    { uri: "pkg:deb/debian/base-files@12.4?arch=amd64&distro=bookworm" },
    { uri: "pkg:deb/debian/tool@1.0?arch=amd64&distro=bookworm" },
  ]);
  assert.deepEqual(await packagesOf(image, shelf), []);
});
