import { namesIn } from "../kit/look.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { formatPlatform, hostPlatform, type Platform } from "../oci/platform.ts";

/** Where the kernel tells which programs it hands to an interpreter: Documentation/admin-guide/binfmt-misc.rst. */
export const BINFMT = "/proc/sys/fs/binfmt_misc";

/** Whether, and how, this machine runs programs of a platform. */
export type Runnable =
  | { readonly by: "processor" }
  /** `interpreter` is loaded already (flag F), so that it works in any root. */
  | { readonly by: "emulator"; readonly interpreter: string }
  /** `why` is a sentence, `cure` what to do about it. */
  | { readonly by: "nothing"; readonly why: string; readonly cure: string };

/** ELF class (1: 32 bit, 2: 64), byte order (1: little) and machine of each architecture: elf(5). */
const MACHINES: Readonly<Record<string, readonly [number, number, number]>> = {
  amd64: [2, 1, 62],
  "386": [1, 1, 3],
  arm64: [2, 1, 183],
  arm: [1, 1, 40],
  riscv64: [2, 1, 243],
  ppc64le: [2, 1, 21],
  s390x: [2, 2, 22],
  mips64le: [2, 1, 8],
  mips64: [2, 2, 8],
  loong64: [2, 1, 258],
};

/** Looks whether programs of a platform can be run here. `folder` is binfmt_misc's; nothing is started. */
export function canRun(platform: Platform, folder: string = BINFMT, host: Platform = hostPlatform()): Runnable {
  const { os, architecture } = platform;
  const name = formatPlatform(platform);
  if (os !== host.os) return no(`programs of ${name} need another kernel`, "Build this stage for linux.");
  if (architecture === host.architecture || (host.architecture === "amd64" && architecture === "386")) return { by: "processor" };
  const header = headerOf(architecture);
  const entries = header ? namesIn(folder).flatMap((entry) => readEntry(`${folder}/${entry}`) ?? []) : [];
  const fitting = entries.filter((entry) => fits(entry, header as Buffer));
  const fixed = fitting.find((entry) => entry.flags.includes("F"));
  if (fixed) return { by: "emulator", interpreter: fixed.interpreter };
  const cure = `Register an emulator once, as root: on Debian \`apt install qemu-user-binfmt\` (or qemu-user-static); then RUN works for ${name}.`;
  if (fitting[0])
    return no(`the emulator ${fitting[0].interpreter} for ${name} is registered without the flag F, so no other root has it`, cure);
  return no(`this machine is ${formatPlatform(host)}, and no emulator for ${name} is registered in ${folder}`, cure);
}

function no(why: string, cure: string): Runnable {
  return { by: "nothing", why, cure };
}

interface Entry {
  readonly interpreter: string;
  readonly flags: string;
  readonly offset: number;
  readonly magic: Buffer;
  readonly mask: Buffer | undefined;
}

/** An enabled entry that goes by magic bytes. */
function readEntry(path: string): Entry | undefined {
  let text: string | undefined;
  try {
    text = readSmallFile(path, 4096)?.toString("latin1");
  } catch {
    return undefined;
  }
  const line = (word: string) =>
    text
      ?.split("\n")
      .find((one) => one.startsWith(word))
      ?.slice(word.length)
      .trim();
  const [interpreter, magic, mask] = [line("interpreter "), line("magic "), line("mask ")];
  if (!text?.startsWith("enabled") || interpreter === undefined || magic === undefined) return undefined;
  return {
    interpreter,
    flags: line("flags:") ?? "",
    offset: Number(line("offset ") ?? 0),
    magic: Buffer.from(magic, "hex"),
    mask: mask === undefined ? undefined : Buffer.from(mask, "hex"),
  };
}

function fits({ offset, magic, mask }: Entry, header: Buffer): boolean {
  if (magic.length === 0 || offset + magic.length > header.length) return false;
  return magic.every((byte, at) => {
    const bits = mask?.[at] ?? 0xff;
    return ((header[offset + at] as number) & bits) === (byte & bits);
  });
}

/** The first bytes of a program of that architecture (ET_EXEC, System V). */
function headerOf(architecture: string): Buffer | undefined {
  const facts = Object.hasOwn(MACHINES, architecture) ? MACHINES[architecture] : undefined;
  if (!facts) return undefined;
  const [bits, order, machine] = facts;
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, bits, order, 1]);
  const put = (value: number, at: number) => (order === 1 ? header.writeUInt16LE(value, at) : header.writeUInt16BE(value, at));
  put(2, 16);
  put(machine, 18);
  put(1, order === 1 ? 20 : 22);
  return header;
}
