import assert from "node:assert/strict";
import { test } from "node:test";
import { syscallNumbers } from "../syscall-numbers.ts";
import { ACTION } from "./bpf.ts";
import { AUDIT } from "./compile.ts";
import { compileFile, readSeccompFile } from "./file.ts";
import { runFilter } from "./testing/run.ts";

const wide = 0x1_0000_0005n;

function asker(profile: object, capabilities: readonly string[] = [], kernel = "6.1.0") {
  const program = compileFile(readSeccompFile(JSON.stringify(profile)), capabilities, "x64", kernel);
  return (name: string, ...args: readonly (number | bigint)[]) =>
    runFilter(program, AUDIT.x64, syscallNumbers("x64").get(name) as number, args);
}

test("names, answers and error numbers", () => {
  const ask = asker({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 13,
    syscalls: [
      { names: ["read", "write", "no_such_call"], action: "SCMP_ACT_ALLOW" },
      { names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 30 },
      { name: "rmdir", action: "SCMP_ACT_ERRNO" },
      { names: ["reboot"], action: "SCMP_ACT_KILL_PROCESS" },
      { names: ["sync"], action: "SCMP_ACT_LOG", args: null },
    ],
  });
  assert.equal(ask("read"), ACTION.allow);
  assert.equal(ask("mkdir"), ACTION.errno(30));
  assert.equal(ask("rmdir"), ACTION.errno(13));
  assert.equal(ask("chmod"), ACTION.errno(13));
  assert.equal(ask("reboot"), ACTION.kill);
  assert.equal(ask("sync"), 0x7ffc0000);
  // Newer than the newest name in the profile: a C library then takes the older way.
  assert.equal(ask("openat2"), ACTION.errno(38));
});

test("arguments are compared in all their bits", () => {
  for (const [op, value, yes, no] of [
    ["EQ", 5n, [5n], [4n, wide]],
    ["NE", 5n, [4n, wide], [5n]],
    ["GE", wide, [wide, wide + 1n, 0x2_0000_0000n], [5n, wide - 1n, 0xffff_ffffn]],
    ["GT", wide, [wide + 1n, 0x2_0000_0000n], [wide, 6n]],
    ["LT", wide, [5n, 0xffff_ffffn, wide - 1n], [wide, 0x2_0000_0000n]],
    ["LE", wide, [wide, 0n], [wide + 1n, 0x2_0000_0000n]],
  ] as const) {
    const args = [{ index: 1, op: `SCMP_CMP_${op}`, value: Number(value) }];
    const ask = asker({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args }] });
    for (const one of yes) assert.equal(ask("ioctl", 0, one), ACTION.allow, `${one} ${op} ${value}`);
    for (const one of no) assert.equal(ask("ioctl", 0, one), ACTION.errno(1), `not ${one} ${op} ${value}`);
  }
  const masked = [{ index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0x7e020000, valueTwo: 0 }];
  const ask = asker({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["clone"], action: "SCMP_ACT_ALLOW", args: masked }] });
  assert.equal(ask("clone", 17), ACTION.allow);
  assert.equal(ask("clone", 0x10000011), ACTION.errno(1));
});

test("tests of several arguments belong together, of one they are alternatives; a rule without comes last", () => {
  const arg = (index: number, value: number) => ({ index, op: "SCMP_CMP_EQ", value });
  const ask = asker({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      { names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet: 97, args: [arg(0, 16), arg(2, 9)] },
      { names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet: 22, args: [arg(0, 38), arg(0, 40)] },
      { names: ["socket"], action: "SCMP_ACT_ALLOW" },
    ],
  });
  assert.equal(ask("socket", 16, 3, 9), ACTION.errno(97));
  assert.equal(ask("socket", 16, 3, 0), ACTION.allow);
  for (const family of [38, 40]) assert.equal(ask("socket", family), ACTION.errno(22));
  assert.equal(ask("socket", 1), ACTION.allow);
});

test("rules for capabilities, processors and kernels", () => {
  const rule = (name: string, more: object) => ({ names: [name], action: "SCMP_ACT_ALLOW", ...more });
  const profile = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      rule("mount", { includes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("clone3", { excludes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("arch_prctl", { includes: { arches: ["amd64", "x32"] } }),
      rule("sync", { includes: { arches: ["arm64"] } }),
      rule("ptrace", { includes: { minKernel: "4.8" } }),
      rule("bpf", { includes: { minKernel: "7.0" } }),
    ],
  };
  const plain = asker(profile);
  const names = ["mount", "clone3", "arch_prctl", "sync", "ptrace", "bpf"];
  const allowed = (ask: typeof plain) => names.filter((name) => ask(name) === ACTION.allow);
  assert.deepEqual(allowed(plain), ["clone3", "arch_prctl", "ptrace"]);
  assert.deepEqual(allowed(asker(profile, ["CAP_SYS_ADMIN"], "7.1")), ["mount", "arch_prctl", "ptrace", "bpf"]);
});

test("what is no profile is told", () => {
  for (const [text, what] of [
    ["{", /it is no JSON/],
    ["[]", /the profile is no object/],
    ["{}", /undefined is no answer/],
    ['{"defaultAction":"SCMP_ACT_NOTIFY"}', /SCMP_ACT_NOTIFY is no answer/],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":70000}]}',
      /70000 is no error number/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":9,"op":"SCMP_CMP_EQ"}]}]}',
      /argument 9/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"constructor"}]}]}',
      /no comparison/,
    ],
    ['{"defaultAction":"constructor"}', /no answer/],
  ] as const)
    assert.throws(() => readSeccompFile(text), { code: "USAGE", message: what }, text);
});
