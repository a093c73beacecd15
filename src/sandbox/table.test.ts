import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findProgram, setEngine } from "./engine.ts";
import { AT_FDCWD, O } from "./flags.ts";
import { newTable, performTable, TableError } from "./perform.ts";

const dir = mkdtempSync(join(tmpdir(), "nought-table-"));
after(() => {
  setEngine(undefined);
  rmSync(dir, { recursive: true, force: true });
});

for (const engine of ["nbox", "perl"] as const) {
  const skip = engine === "perl" && !findProgram("perl") ? "there is no perl" : false;
  const check = (name: string, run: () => void) =>
    test(`${engine}: ${name}`, { skip }, () => {
      setEngine(engine);
      run();
    });

  check("a table reads a file and writes it out", () => {
    writeFileSync(join(dir, "in"), "over the table");
    const table = newTable();
    const fd = table.register();
    const length = table.register();
    const buffer = table.space(64);
    table.call("openat", [AT_FDCWD, table.text(join(dir, "in")), O.RDONLY, 0], { into: fd });
    table.call("read", [fd, buffer, 64], { into: length });
    table.call("write", [1, buffer, length]);
    assert.equal(performTable(table.finish()).toString(), "over the table");
  });

  check("the first call that fails is named with its error", () => {
    const table = newTable();
    table.call("mkdirat", [AT_FDCWD, table.text(join(dir, "no/where")), 0o755], { ignore: true });
    table.call("openat", [AT_FDCWD, table.text(join(dir, "absent")), O.RDONLY, 0], { label: "open absent" });
    table.call("write", [1, table.text("never"), 5]);
    assert.throws(
      () => performTable(table.finish()),
      (error) => error instanceof TableError && error.message === "open absent: ENOENT" && error.operation === 1 && error.errno === 2,
    );
  });

  check("results go to memory, also those that are errors", () => {
    const table = newTable();
    const results = table.space(16);
    table.call("openat", [AT_FDCWD, table.text(join(dir, "absent")), O.RDONLY, 0], { ignore: true, into: results });
    table.call("getppid", [], { into: { at: results.at + 8 } });
    table.call("write", [1, results, 16]);
    const out = performTable(table.finish());
    assert.equal(out.readBigInt64LE(0), -2n);
    assert.equal(out.readBigInt64LE(8), BigInt(process.pid));
  });

  check("a child's exit code, its signals and its output come through the pump", () => {
    const table = newTable();
    const child = table.register();
    const parent = table.mark();
    table.clone(0, child, parent);
    table.call("write", [1, table.text("child"), 5]);
    table.call("execve", [table.text("/bin/sh"), table.list(["sh", "-c", "exit 7"]), table.list([])]);
    table.place(parent);
    table.pump(child, table.words64(-1, -1, -1, -1, -1, 1, -1, -1, -1, 0, 0, 0));
    const end = table.finish();
    assert.throws(() => performTable(end), /ended with 7/);
  });

  check("jumps, decimal numbers and lists of addresses", () => {
    const table = newTable();
    const text = table.space(24);
    const register = table.register();
    const skipped = table.mark();
    table.load32(table.words32(12345), register);
    table.jumpEqual(register, 12345, skipped);
    table.leave(3);
    table.place(skipped);
    table.decimal(register, text);
    table.call("writev", [1, table.words64(text, 5, table.text("!"), 1), 2]);
    assert.equal(performTable(table.finish()).toString(), "12345!");
  });

  check("after an error the table may go on elsewhere", () => {
    const table = newTable();
    const rescue = table.mark();
    const text = table.space(48);
    table.call("getpid");
    table.call("chdir", [table.text("/no/such/place")]);
    table.leave(9);
    table.place(rescue);
    table.decimal({ register: 254 }, text);
    table.decimal({ register: 255 }, { at: text.at + 24 });
    table.call("write", [1, text, 48]);
    table.onError(rescue);
    assert.equal(performTable(table.finish()).toString("latin1").replaceAll("\0", " ").trim().replace(/ +/, " "), "1 2");
  });

  check("numbers of 64 bits with their sign", () => {
    const table = newTable();
    table.call("write", [1, table.words64(-1, 2n ** 64n - 1n, -(2n ** 40n)), 24]);
    const out = performTable(table.finish());
    assert.deepEqual(
      [0, 8, 16].map((at) => out.readBigInt64LE(at)),
      [-1n, -1n, -(2n ** 40n)],
    );
  });
}
