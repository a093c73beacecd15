import { capabilityMask } from "../capability.ts";

/**
 * Docker's default profile of system calls, told by what it refuses: of the calls that syscall-numbers.ts knows, the rest is allowed.
 * Calls that are newer than all of these do not exist (ENOSYS), so that a C library takes the older way. Source of the facts:
 * moby/profiles, seccomp/default.json, as of 2026.
 */
const REFUSED =
  "_sysctl add_key afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg get_tls gtty idle io_uring_enter io_uring_register io_uring_setup kexec_file_load kexec_load keyctl lock migrate_pages move_pages mpx nfsservctl nice oldfstat oldlstat oldolduname oldstat olduname pivot_root prof profil putpmsg query_module readdir request_key security sgetmask sigaction signal sigpending sigsuspend ssetmask stty swapoff swapon sysfs tuxcall ulimit uprobe uselib userfaultfd usr26 usr32 ustat vm86 vm86old vserver";

/** Calls that need one of these capabilities, by the capability. */
const NEEDING: readonly (readonly [string, string])[] = [
  ["DAC_READ_SEARCH", "open_by_handle_at"],
  [
    "SYS_ADMIN",
    "bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
  ],
  ["SYS_BOOT", "reboot"],
  ["SYS_CHROOT", "chroot"],
  ["SYS_MODULE", "delete_module init_module finit_module"],
  ["SYS_PACCT", "acct"],
  ["SYS_PTRACE", "kcmp pidfd_getfd process_madvise"],
  ["SYS_RAWIO", "iopl ioperm"],
  ["SYS_TIME", "settimeofday stime clock_settime clock_settime64"],
  ["SYS_TTY_CONFIG", "vhangup"],
  ["SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"],
  ["SYSLOG", "syslog"],
  ["BPF", "bpf"],
  ["PERFMON", "perf_event_open"],
];

/** A test of the lower 32 bits of one argument; the call is allowed where one of them holds. */
export interface ArgumentRule {
  readonly argument: number;
  readonly allowed: readonly ({ readonly equal: number } | { readonly below: number } | { readonly mask: number })[];
}

/** Flags of clone(2) for namespaces. */
const NAMESPACES = 0x7e020000;

/** Families without those that were ways out: AF_ALG, AF_VSOCK and the forgotten ones. */
const SOCKET_FAMILIES = [13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45];

/** What happens to calls by name; the rest is allowed. */
export interface Profile {
  readonly refused: ReadonlySet<string>;
  /** Calls that are told not to exist, so that the older one is taken. */
  readonly absent: ReadonlySet<string>;
  readonly rules: ReadonlyMap<string, ArgumentRule>;
}

/** The profile for a process with these capabilities. */
export function dockerProfile(capabilities: readonly string[]): Profile {
  const mask = capabilityMask(capabilities);
  const has = (name: string) => (mask & capabilityMask([name])) !== 0n;
  const refused = new Set(REFUSED.split(" "));
  const allowed = new Set(NEEDING.filter(([name]) => has(name)).flatMap(([, calls]) => calls.split(" ")));
  for (const [, calls] of NEEDING) for (const call of calls.split(" ")) if (!allowed.has(call)) refused.add(call);
  const rules = new Map<string, ArgumentRule>([
    ["socket", { argument: 0, allowed: [{ below: 12 }, ...SOCKET_FAMILIES.map((equal) => ({ equal }))] }],
    ["personality", { argument: 0, allowed: [0, 8, 0x20000, 0x20008, 0xffffffff].map((equal) => ({ equal })) }],
  ]);
  const absent = new Set<string>();
  if (!has("SYS_ADMIN")) {
    // The flags of clone3 are in memory, where no filter sees them.
    refused.delete("clone3");
    absent.add("clone3");
    rules.set("clone", { argument: 0, allowed: [{ mask: NAMESPACES }] });
  }
  return { refused, absent, rules };
}
