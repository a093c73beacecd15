import type { CallArchitecture } from "./syscall-numbers.ts";

/** Numbers of Linux's interface that are the same on x86-64 and arm64. flags.test.ts compares them with the headers. */

export const AT_FDCWD = -100;
export const AT_EMPTY_PATH = 0x1000;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_RECURSIVE = 0x8000;

export const CLONE = {
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  REC: 16384,
  SLAVE: 1 << 19,
  PRIVATE: 1 << 18,
  STRICTATIME: 1 << 24,
} as const;

/** Attributes of fsmount(2) and mount_setattr(2). */
export const MOUNT_ATTR = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, STRICTATIME: 0x20 } as const;

export const OPEN_TREE = { CLONE: 1, CLOEXEC: 0o2000000 } as const;
export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const FSCONFIG = { FLAG: 0, STRING: 1, CREATE: 6 } as const;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOVE_MOUNT_T_SYMLINKS = 0x10;
export const MNT_DETACH = 2;
/** openat2(2): no link leads out of the directory; absolute ones begin at it. */
export const RESOLVE_IN_ROOT = 0x10;
export const RESOLVE_NO_MAGICLINKS = 0x02;

export const CLOSE_RANGE_CLOEXEC = 4;

export const PR = { SET_PDEATHSIG: 1, SET_DUMPABLE: 4, CAPBSET_DROP: 24, SET_NO_NEW_PRIVS: 38, CAP_AMBIENT: 47 } as const;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
export const SIGKILL = 9;

export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  PATH: 0o10000000,
  CLOEXEC: 0o2000000,
} as const;
export const O_NONBLOCK = 0o4000;

/** Open flags that differ between architectures. */
export const O_BY_ARCHITECTURE: Readonly<Record<CallArchitecture, { readonly DIRECTORY: number; readonly NOFOLLOW: number }>> = {
  x64: { DIRECTORY: 0o200000, NOFOLLOW: 0o400000 },
  i386: { DIRECTORY: 0o200000, NOFOLLOW: 0o400000 },
  arm: { DIRECTORY: 0o40000, NOFOLLOW: 0o100000 },
  arm64: { DIRECTORY: 0o40000, NOFOLLOW: 0o100000 },
};

export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;

export const AF = { UNIX: 1, INET: 2 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, CLOEXEC: 0o2000000 } as const;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SIOCSIFFLAGS = 0x8914;
export const IFF_UP_RUNNING = 0x41;

export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TIOCGPTPEER = 0x5441;
export const TIOCSPTLCK = 0x40045431;
export const TIOCSCTTY = 0x540e;
export const F_SETFL = 4;
export const POLLIN = 1;

export const SECCOMP_SET_MODE_FILTER = 1;
export const WNOHANG = 1;
