import { closeSync, constants, openSync, readSync } from "node:fs";

const PT_INTERP = 3;
/** e_machine of the processors that Node runs on (elf(5)). */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183, arm: 40, ia32: 3, ppc64: 21, s390x: 22, riscv64: 243 };
/** Program headers of real programs are a dozen. */
const MAX_HEADERS = 1000;

/**
 * Whether the file is a program for this machine's processor that runs without a loader: ELF, and no PT_INTERP among its program headers.
 * False for whatever cannot be read as one.
 */
export function isStaticProgram(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const head = read(fd, 64, 0);
    if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46) return false;
    const wide = head[4] === 2;
    const little = head[5] === 1;
    const u16 = (at: number) => (little ? head.readUInt16LE(at) : head.readUInt16BE(at));
    const machine = MACHINES[process.arch];
    if (machine !== undefined && u16(18) !== machine) return false;
    const offset = wide
      ? little
        ? head.readBigUInt64LE(32)
        : head.readBigUInt64BE(32)
      : BigInt(little ? head.readUInt32LE(28) : head.readUInt32BE(28));
    const size = u16(wide ? 54 : 42);
    const count = u16(wide ? 56 : 44);
    if (count === 0 || count > MAX_HEADERS || size < 32 || offset > 2n ** 40n) return false;
    const headers = read(fd, size * count, Number(offset));
    if (headers.length < size * count) return false;
    for (let at = 0; at < headers.length; at += size)
      if ((little ? headers.readUInt32LE(at) : headers.readUInt32BE(at)) === PT_INTERP) return false;
    return true;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

function read(fd: number, length: number, position: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, position));
}
