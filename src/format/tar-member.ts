import type { TarType } from "./tar-type.ts";

/** One member of a tar archive, after PAX and GNU records were taken into account. Nothing here was made safe for a file system. */
export interface TarMember {
  /** As the archive says it: may be absolute, may hold `..`; never empty. A directory's may end with a slash. */
  readonly path: string;
  readonly type: TarType;
  /** Of a symlink or hard link; empty for all others. */
  readonly link: string;
  /** Permission bits (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  /** Seconds since the epoch, with their fraction; may be negative. */
  readonly mtime: number;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** Of a device; 0 for all others. */
  readonly major: number;
  readonly minor: number;
  /** From PAX records `SCHILY.xattr.NAME`; never empty when present. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Where its content starts, in bytes of the uncompressed archive. */
  readonly offset: number;
}
