import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parsePlatform } from "../oci/platform.ts";
import { canRun } from "./foreign.ts";

const folder = mkdtempSync(join(tmpdir(), "nought-binfmt-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const host = parsePlatform("linux/amd64");
const can = (platform: string) => canRun(parsePlatform(platform), folder, host);

/** An entry as the kernel shows it; qemu's own magic and mask for little-endian 64-bit programs. */
function register(name: string, machine: string, flags: string, state = "enabled"): void {
  writeFileSync(
    join(folder, name),
    `${state}\ninterpreter /usr/bin/${name}\nflags: ${flags}\noffset 0\nmagic 7f454c460201010000000000000000000200${machine}\nmask ffffffffffffff00fffffffffffffffffeffffff\n`,
  );
}

test("the processor runs its own programs, and the 32-bit ones of amd64", () => {
  assert.deepEqual(can("linux/amd64"), { by: "processor" });
  assert.deepEqual(can("linux/386"), { by: "processor" });
});

test("without an emulator the answer says what is missing and what to do", () => {
  const answer = can("linux/arm64");
  assert.equal(answer.by, "nothing");
  assert.match(answer.by === "nothing" ? answer.why : "", /linux\/amd64.*no emulator for linux\/arm64/);
  assert.match(answer.by === "nothing" ? answer.cure : "", /qemu-user/);
  assert.equal(can("windows/amd64").by, "nothing");
  assert.equal(can("linux/unheard-of").by, "nothing");
});

test("an emulator counts when it fits the architecture, is enabled, and is there in every root", () => {
  register("qemu-aarch64", "b700", "OCF", "disabled");
  assert.equal(can("linux/arm64").by, "nothing");
  register("qemu-aarch64", "b700", "OC");
  const late = can("linux/arm64");
  assert.match(late.by === "nothing" ? late.why : "", /without the flag F/);
  register("qemu-aarch64", "b700", "OCF");
  assert.deepEqual(can("linux/arm64"), { by: "emulator", interpreter: "/usr/bin/qemu-aarch64" });
  assert.equal(can("linux/riscv64").by, "nothing");
  register("qemu-riscv64", "f300", "F");
  assert.deepEqual(can("linux/riscv64"), { by: "emulator", interpreter: "/usr/bin/qemu-riscv64" });
  writeFileSync(join(folder, "junk"), "\u0000\u0001");
  writeFileSync(join(folder, "status"), "enabled\n");
  assert.equal(can("linux/s390x").by, "nothing");
});
