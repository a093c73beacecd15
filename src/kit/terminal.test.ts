import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { isTerminal } from "./terminal.ts";

test("a file, a device that is no terminal and a closed descriptor are no terminals", () => {
  for (const path of [import.meta.filename, "/dev/null"]) {
    const fd = openSync(path, "r");
    assert.equal(isTerminal(fd), false, path);
    closeSync(fd);
    assert.equal(isTerminal(fd), false, `${path}, closed`);
  }
});
