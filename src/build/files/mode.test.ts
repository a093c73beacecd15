import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../../test/refused.ts";
import { parseMode } from "./mode.ts";

/** Each row: what is asked for, the mode of a file and of a folder before, and what they get. */
const TABLE = `
0644            777 755    644 644
7               644 755    7 7
4755            644 755    4755 4755
u=rwX,go=rX     600 700    644 755
u=rwX,go=rX     700 700    755 755
a+x             644 644    755 755
+x              644 644    755 755
go-rwx          755 755    700 700
u+s,g+s         755 755    6755 6755
o+t             755 755    1755 1755
+t              755 755    1755 1755
u=r             777 777    477 477
=               777 777    0 0
g=u             640 750    660 770
o=g             750 750    755 755
u=o             754 754    454 454
a=rwxst         0 0        7777 7777
u+r-w           200 200    400 400
ug=rw,o=        777 777    660 660
-x              755 755    644 644
g+X             640 640    640 650
u-s             4755 6755  755 2755
`;

test("--chmod: octal replaces, symbols change", () => {
  for (const row of TABLE.trim().split("\n")) {
    const [text = "", ...modes] = row.split(/ +/);
    const [file, dir, fileAfter, dirAfter] = modes.map((mode) => Number.parseInt(mode, 8)) as [number, number, number, number];
    const { apply } = parseMode(text);
    assert.equal(apply(file, false).toString(8), fileAfter.toString(8), `${row} (file)`);
    assert.equal(apply(dir, true).toString(8), dirAfter.toString(8), `${row} (folder)`);
  }
});

test("--chmod: folders that are made on the way get an octal mode cut from 0755", () => {
  assert.equal(parseMode("0700").created, 0o700);
  assert.equal(parseMode("4777").created, 0o755);
  assert.equal(parseMode("u=rwx").created, 0o755);
});

test("P17: --chmod that is none", () => {
  for (const text of ["8", "99999", "77777", "u", "z+x", "u+z", "u=rw,", ",", "rwx", "u=rw;o=", "0x1ff", "-1", "1e3", "u=gr"]) {
    assert.throws(() => parseMode(text), refused("PLAN", /invalid chmod parameter/), text);
  }
});
