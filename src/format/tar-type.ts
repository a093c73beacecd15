/** What a tar member is. */
export type TarType = "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** Headers that describe the next member, and what none of us takes: GNU's sparse files and leftovers of backups. */
type MetaType = "pax" | "pax-global" | "long-name" | "long-link" | "sparse";

const TYPES: Readonly<Record<number, TarType | MetaType>> = {
  0: "file",
  0x30: "file",
  0x31: "hardlink",
  0x32: "symlink",
  0x33: "char",
  0x34: "block",
  0x35: "dir",
  0x36: "fifo",
  // A contiguous file, to be treated as a plain one.
  0x37: "file",
  0x78: "pax",
  0x67: "pax-global",
  0x4c: "long-name",
  0x4b: "long-link",
  0x53: "sparse",
};

/** The meaning of a type flag (POSIX pax, "ustar Interchange Format", and GNU tar's manual); undefined for any other. */
export function tarType(flag: number): TarType | MetaType | undefined {
  return TYPES[flag];
}
