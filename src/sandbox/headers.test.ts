/** Numbers that we wrote down, against the kernel headers of this machine; what the headers are too old to know is passed over. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as flags from "./flags.ts";
import { type CallArchitecture, syscallNumbers } from "./syscall-numbers.ts";

const headers = "/usr/include";
const x86 = `${headers}/x86_64-linux-gnu/asm`;

function compare(architecture: CallArchitecture, defined: ReadonlyMap<string, number>): void {
  const known = syscallNumbers(architecture);
  const newest = Math.max(...[...defined.values()].filter((one) => one < 0xf0000));
  assert.ok(defined.size > 250);
  const wrong: string[] = [];
  for (const [name, number] of defined) if (known.get(name) !== number) wrong.push(`${name}: ${number}, not ${known.get(name)}`);
  for (const [name, number] of known) {
    // 335 and 336 came later than the numbers behind them.
    if (number <= newest && !defined.has(name) && !["uretprobe", "uprobe"].includes(name)) wrong.push(`${name} is not in the headers`);
  }
  assert.deepEqual(wrong, []);
}

function definitions(text: string): Map<string, number> {
  return new Map([...text.matchAll(/#define __NR_(\w+)\s+(\d+)/g)].map(([, name = "", number]) => [name, Number(number)]));
}

for (const [architecture, file] of [
  ["x64", `${x86}/unistd_64.h`],
  ["i386", `${x86}/unistd_32.h`],
] as const) {
  test(`system call numbers of ${architecture}`, { skip: existsSync(file) ? false : `${file} is not there` }, () => {
    compare(architecture, definitions(readFileSync(file, "utf8")));
  });
}

const armHeader = "/usr/arm-linux-gnueabihf/include/asm/unistd.h";

test("system call numbers of arm", {
  skip: existsSync(armHeader) ? false : `${armHeader} is not there (linux-libc-dev-armhf-cross)`,
}, () => {
  const args = ["-dM", "-E", "-D__arm__", "-D__ARM_EABI__", "-I/usr/arm-linux-gnueabihf/include", armHeader];
  const { stdout } = spawnSync("gcc", args, { encoding: "utf8" });
  const generic = [...stdout.matchAll(/#define __NR_(\w+) \(__NR_SYSCALL_BASE \+ (\d+)\)/g)];
  const own = [...stdout.matchAll(/#define __ARM_NR_(\w+) \(__ARM_NR_BASE ?\+ ?(\d+)\)/g)];
  compare(
    "arm",
    new Map([
      ...generic.map(([, name = "", at]): [string, number] => [name, Number(at)]),
      ...own.map(([, name = "", at]): [string, number] => [name, 0xf0000 + Number(at)]),
    ]),
  );
});

const hasCompiler = spawnSync("gcc", ["--version"]).status === 0 && existsSync(`${headers}/asm-generic/unistd.h`);

test("system call numbers of arm64", { skip: hasCompiler ? false : "no gcc or no kernel headers" }, () => {
  const folder = mkdtempSync(join(tmpdir(), "nought-headers-"));
  try {
    // What asm/unistd.h of arm64 sets before it takes the generic table.
    mkdirSync(join(folder, "asm"));
    writeFileSync(join(folder, "asm/bitsperlong.h"), "#define __BITS_PER_LONG 64\n");
    const wants = ["RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "SYS_CLONE3", "MEMFD_SECRET"].map((name) => `-D__ARCH_WANT_${name}`);
    const { stdout } = spawnSync("gcc", ["-I", folder, ...wants, "-dM", "-E", `${headers}/asm-generic/unistd.h`], { encoding: "utf8" });
    const numbers = definitions(
      stdout.replaceAll(/__NR3264_(\w+)/g, (name) => new RegExp(`#define ${name} (\\d+)`).exec(stdout)?.[1] ?? name),
    );
    numbers.delete("syscalls");
    numbers.delete("arch_specific_syscall");
    compare("arm64", numbers);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("flags", { skip: hasCompiler ? false : "no gcc or no kernel headers" }, () => {
  const named: [string, number][] = [
    ...prefixed("CLONE_", flags.CLONE),
    ...prefixed("MS_", flags.MS),
    ...prefixed("MOUNT_ATTR_", flags.MOUNT_ATTR),
    ...prefixed("PR_", flags.PR),
    ["FSCONFIG_SET_FLAG", flags.FSCONFIG.FLAG],
    ["FSCONFIG_SET_STRING", flags.FSCONFIG.STRING],
    ["FSCONFIG_CMD_CREATE", flags.FSCONFIG.CREATE],
    ["OPEN_TREE_CLONE", flags.OPEN_TREE.CLONE],
    ["OPEN_TREE_CLOEXEC", flags.OPEN_TREE.CLOEXEC],
    ...(
      [
        "AT_FDCWD",
        "AT_EMPTY_PATH",
        "AT_SYMLINK_NOFOLLOW",
        "AT_RECURSIVE",
        "AT_REMOVEDIR",
        "FSOPEN_CLOEXEC",
        "FSMOUNT_CLOEXEC",
        "MOVE_MOUNT_F_EMPTY_PATH",
        "MOVE_MOUNT_T_SYMLINKS",
        "RESOLVE_IN_ROOT",
        "RESOLVE_NO_MAGICLINKS",
        "CLOSE_RANGE_CLOEXEC",
        "PR_CAP_AMBIENT_CLEAR_ALL",
        "SIOCSIFFLAGS",
        "TIOCSCTTY",
        "TIOCSPTLCK",
        "SECCOMP_SET_MODE_FILTER",
      ] as const
    ).map((name): [string, number] => [name, flags[name]]),
  ];
  const includes = ["sched", "fs", "mount", "prctl", "fcntl", "openat2", "close_range", "sockios", "seccomp"].map(
    (one) => `#include <linux/${one}.h>\n`,
  );
  const checks = named.map(([name, value]) => `_Static_assert((unsigned)(${name}) == ${value >>> 0}u, "${name}");\n`);
  const source = `${includes.join("")}#include <asm/ioctls.h>\n#include <linux/sched.h>\n${checks.join("")}`;
  const { stderr } = spawnSync("gcc", ["-fsyntax-only", "-x", "c", "-"], { input: source, encoding: "utf8" });
  assert.deepEqual(
    stderr.split("\n").filter((line) => line.includes("error")),
    [],
  );
});

function prefixed(prefix: string, of: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(of).map(([name, value]) => [prefix + name, value]);
}
