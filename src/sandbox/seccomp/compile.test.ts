import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_CAPABILITIES } from "../capability.ts";
import { type CallArchitecture, syscallNumbers } from "../syscall-numbers.ts";
import { ACTION } from "./bpf.ts";
import { compileAnswers, compileProfile } from "./compile.ts";
import { dockerProfile } from "./profile.ts";
import { runFilter as run } from "./testing/run.ts";

const AUDIT = { x64: 0xc000003e, i386: 0x40000003, arm64: 0xc00000b7, arm: 0x40000028 } as const;
const EPERM = ACTION.errno(1);
const ENOSYS = ACTION.errno(38);

for (const [machine, architectures] of [
  ["x64", ["x64", "i386"]],
  ["arm64", ["arm64", "arm"]],
] as const) {
  test(`${machine}: every call is answered as the profile says`, () => {
    const profile = dockerProfile(DEFAULT_CAPABILITIES);
    const program = compileProfile(profile, machine);
    assert.ok(program.length / 8 < 1000, `${program.length / 8} instructions`);
    for (const architecture of architectures satisfies readonly CallArchitecture[]) {
      for (const [name, number] of syscallNumbers(architecture)) {
        if (profile.rules.has(name)) continue;
        // Calls of the architecture itself are far behind the others, where what is refused is told not to be there.
        const expected =
          profile.absent.has(name) || (number >= 0xf0000 && profile.refused.has(name))
            ? ENOSYS
            : profile.refused.has(name)
              ? EPERM
              : ACTION.allow;
        assert.equal(run(program, AUDIT[architecture], number), expected, `${architecture} ${name}`);
      }
      for (const number of [467, 500, 1000, 0x0fffffff]) assert.equal(run(program, AUDIT[architecture], number), ENOSYS);
    }
    assert.equal(run(program, 0xc00000f3, 0), ACTION.kill, "another architecture");
    if (machine === "x64") assert.equal(run(program, AUDIT.x64, 0x40000000 | 1), ENOSYS, "x32");
  });
}

test("arguments: families of sockets, personalities, namespaces", () => {
  const program = compileProfile(dockerProfile(DEFAULT_CAPABILITIES), "x64");
  const call = (name: string, value: number) => run(program, AUDIT.x64, syscallNumbers("x64").get(name) as number, [value]);
  for (const family of [1, 2, 10, 11, 16, 17, 45]) assert.equal(call("socket", family), ACTION.allow, `family ${family}`);
  for (const family of [12, 19, 38, 40, 46, 0xffffffff]) assert.equal(call("socket", family), EPERM, `family ${family}`);
  for (const value of [0, 8, 0x20000, 0x20008, 0xffffffff]) assert.equal(call("personality", value), ACTION.allow);
  assert.equal(call("personality", 0x40000), EPERM);
  assert.equal(call("clone", 17), ACTION.allow);
  for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
    assert.equal(call("clone", flag | 17), EPERM);
});

test("capabilities bring the calls that need them", () => {
  const program = compileProfile(dockerProfile([...DEFAULT_CAPABILITIES, "CAP_SYS_ADMIN"]), "x64");
  const call = (name: string, value = 0) => run(program, AUDIT.x64, syscallNumbers("x64").get(name) as number, [value]);
  for (const name of ["mount", "unshare", "clone3", "setns", "bpf"]) assert.equal(call(name), ACTION.allow, name);
  assert.equal(call("clone", 0x10000000), ACTION.allow);
  assert.equal(call("reboot"), EPERM);
  const bare = compileProfile(dockerProfile([]), "x64");
  assert.equal(run(bare, AUDIT.x64, syscallNumbers("x64").get("chroot") as number), EPERM);
});

test("faked calls succeed, others are not touched", () => {
  const program = compileAnswers(
    new Map([
      ["chown", 0x50000],
      ["fchown", 0x50000],
      ["lchown", 0x50000],
      ["setuid", ACTION.notify],
    ]),
    "x64",
  );
  for (const [name, number] of syscallNumbers("x64")) {
    const expected = ["chown", "fchown", "lchown"].includes(name) ? ACTION.errno(0) : name === "setuid" ? ACTION.notify : ACTION.allow;
    assert.equal(run(program, AUDIT.x64, number), expected, name);
  }
});
