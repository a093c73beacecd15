import { encodeName } from "../kit/bytes.ts";
import { LIMITS } from "../kit/limit.ts";
import type { TarHeader } from "./tar-header.ts";
import type { TarMember } from "./tar-member.ts";
import type { PaxFacts } from "./tar-pax.ts";
import type { TarType } from "./tar-type.ts";

/** Linux's largest device numbers (12 and 20 bits, include/linux/kdev_t.h). */
const MAX_MAJOR = 4_095;
const MAX_MINOR = 1_048_575;
const MAX_ID = 2 ** 32 - 1;

/**
 * A header, with the records that came before it, as a member. PAX records win over GNU's long names and both over the header, as
 * POSIX says. A `string` says why there can be no such member: fields that are no numbers, that contradict each other, or that
 * readers would take differently. `offset` is where the content starts.
 */
export function memberOf(
  header: TarHeader,
  flagged: string | undefined,
  pending: { readonly pax?: PaxFacts; readonly name?: string; readonly link?: string },
  globals: PaxFacts,
  offset: number,
): TarMember | string {
  const wrong = malformed(header);
  if (wrong) return wrong;
  const pax = pending.pax;
  if (flagged === "sparse" || pax?.sparse) return "sparse files are not supported; make the archive without --sparse";
  if (flagged === undefined) return `member type ${JSON.stringify(String.fromCharCode(header.flag))} is not supported`;
  if (pax?.path !== undefined && pending.name !== undefined && pax.path !== pending.name) return "PAX and GNU records name it differently";
  if (pax?.link !== undefined && pending.link !== undefined && pax.link !== pending.link) return "PAX and GNU records link it differently";
  const path = pax?.path ?? pending.name ?? header.name;
  const slash = path.endsWith("/");
  // V7 had no directories of its own: a name with a slash at the end was one.
  const type = (flagged === "file" && header.flag === 0 && slash ? "dir" : flagged) as TarType;
  if (flagged === "file" && header.flag === 0 && slash !== header.name.endsWith("/"))
    return "of an old form, a directory by one of its names and a file by the other";
  if (slash && type === "file") return "a file whose name ends with a slash, which some readers would take for a directory";

  const size = pax?.size ?? (header.size === undefined && type !== "file" ? 0 : header.size);
  if (size === undefined) return "the size is not a number";
  // A hard link may repeat the size of its file, without content. For all others, readers disagree on whether content follows.
  if (size > 0 && type !== "file" && type !== "hardlink") return `a ${type} with ${size} bytes of content`;

  const uid = pax?.uid ?? globals.uid ?? header.uid ?? 0;
  const gid = pax?.gid ?? globals.gid ?? header.gid ?? 0;
  const mode = header.mode ?? 0;
  const mtime = pax?.mtime ?? globals.mtime ?? header.mtime ?? 0;
  if (uid > MAX_ID || gid > MAX_ID) return "the owner's number is out of range";

  const device = type === "char" || type === "block";
  if (device && (header.major === undefined || header.minor === undefined)) return "a device without a number";
  const major = device ? (header.major ?? 0) : 0;
  const minor = device ? (header.minor ?? 0) : 0;
  if (major > MAX_MAJOR || minor > MAX_MINOR) return "the device number is out of range";

  const linked = type === "symlink" || type === "hardlink";
  const link = linked ? (pax?.link ?? pending.link ?? header.link) : "";
  const problem = checkName(path, "name") ?? (linked ? checkName(link, "link target") : undefined);
  if (problem) return problem;
  const xattrs = pax?.xattrs && globals.xattrs ? new Map([...globals.xattrs, ...pax.xattrs]) : (pax?.xattrs ?? globals.xattrs);
  const member: TarMember = {
    path,
    type,
    link,
    mode: mode & 0o7777,
    uid,
    gid,
    uname: pax?.uname ?? globals.uname ?? header.uname,
    gname: pax?.gname ?? globals.gname ?? header.gname,
    mtime,
    size: type === "file" ? size : 0,
    major,
    minor,
    offset,
  };
  return xattrs ? { ...member, xattrs } : member;
}

/** Why a header cannot be right: of no known form, or with numbers that are none, even where nobody needs them. */
export function malformed(header: TarHeader): string | undefined {
  if (!header.known) return "the header is neither ustar nor GNU nor V7";
  if (isBad(header.size)) return "the size is not a number";
  if (header.mtime !== undefined && Number.isNaN(header.mtime)) return "the time is not a number";
  if (isBad(header.mode) || isBad(header.uid) || isBad(header.gid)) return "the mode or owner is not a number";
  if (isBad(header.major) || isBad(header.minor)) return "the device number is not a number";
  return undefined;
}

function isBad(number: number | undefined): boolean {
  return number !== undefined && !(number >= 0);
}

/** Linux's PATH_MAX and NAME_MAX: what is longer could never be a file. */
function checkName(name: string, what: string): string | undefined {
  if (name.length === 0) return `the ${what} is empty`;
  if (name.length <= LIMITS.nameBytes / 3) return undefined;
  const bytes = encodeName(name);
  if (bytes.length > LIMITS.pathBytes) return `the ${what} is ${bytes.length} bytes long; ${LIMITS.pathBytes} is the limit`;
  for (let from = 0; from < bytes.length; ) {
    const slash = bytes.indexOf(0x2f, from);
    const end = slash < 0 ? bytes.length : slash;
    if (end - from > LIMITS.nameBytes) return `a part of the ${what} is ${end - from} bytes long; ${LIMITS.nameBytes} is the limit`;
    from = end + 1;
  }
  return undefined;
}
