import { type CallArchitecture, syscallNumbers } from "../syscall-numbers.ts";
import type { Profile } from "./profile.ts";

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};
const RUNS: Readonly<Record<string, readonly CallArchitecture[]>> = { x64: ["x64", "i386"], arm64: ["arm64", "arm"] };

/** The same filter in the words of the OCI runtime specification (config-linux.md, "Seccomp"). `faked` calls succeed and do nothing. */
export function ociSeccomp(profile: Profile, faked: readonly string[], architecture: CallArchitecture): object {
  const names = new Set((RUNS[architecture] ?? [architecture]).flatMap((one) => [...syscallNumbers(one).keys()]));
  const special = new Set([...profile.refused, ...profile.absent, ...profile.rules.keys(), ...faked]);
  const errno = (of: readonly string[], errnoRet: number) => (of.length === 0 ? [] : [{ names: of, action: "SCMP_ACT_ERRNO", errnoRet }]);
  const rules = [...profile.rules].flatMap(([name, { argument, allowed }]) =>
    allowed.map((test) => ({ names: [name], action: "SCMP_ACT_ALLOW", args: [{ index: argument, ...comparison(test) }] })),
  );
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    architectures: ARCHITECTURES[architecture] ?? [],
    syscalls: [
      { names: [...names].filter((name) => !special.has(name)), action: "SCMP_ACT_ALLOW" },
      ...rules,
      ...errno([...profile.absent], 38),
      ...errno(faked, 0),
    ],
  };
}

function comparison(test: { equal: number } | { below: number } | { mask: number }): object {
  if ("equal" in test) return { value: test.equal, op: "SCMP_CMP_EQ" };
  if ("below" in test) return { value: test.below, op: "SCMP_CMP_LT" };
  return { value: test.mask, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" };
}
