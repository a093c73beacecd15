/** What the loader needs to know of a program or library (ELF, gABI chapter 5; elf(5)). */
export interface Elf {
  /** ELFCLASS32 or ELFCLASS64 as bits. */
  readonly bits: 32 | 64;
  /** e_machine: 62 for x86-64, 183 for AArch64. */
  readonly machine: number;
  /** e_type: 2 a program at fixed addresses, 3 a library or program that can lie anywhere. */
  readonly type: number;
  /** Path of the loader that a program asks for. */
  readonly interpreter?: string;
  readonly soname?: string;
  /** Libraries that it names, in order. */
  readonly needed: readonly string[];
  /** Folders of DT_RPATH and DT_RUNPATH, `$ORIGIN` and the like as they are. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT = { needed: 1, strtab: 5, soname: 14, rpath: 15, runpath: 29 };
/** Headers and dynamic entries looked at, so that a file cannot make us loop for long. */
const MOST = 10_000;

/** Whether bytes begin as an ELF file does. */
export function isElf(bytes: Buffer): boolean {
  return bytes.length >= 52 && bytes.readUInt32BE(0) === 0x7f454c46;
}

/** Reads an ELF file. Undefined for anything else, and for one whose headers lead out of the file. */
export function readElf(bytes: Buffer): Elf | undefined {
  if (!isElf(bytes)) return undefined;
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function parse(bytes: Buffer): Elf | undefined {
  const bits = bytes[4] === 1 ? 32 : bytes[4] === 2 ? 64 : undefined;
  const little = bytes[5] === 1;
  if (bits === undefined || (!little && bytes[5] !== 2)) return undefined;
  const u16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const word = (at: number) => (bits === 32 ? u32(at) : Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)));
  const wide = bits / 8;
  const text = (at: number, end = bytes.length) => {
    const stop = bytes.indexOf(0, at);
    return bytes.toString("utf8", at, stop < 0 || stop > end ? end : stop);
  };
  const headersAt = word(24 + wide);
  const headerSize = u16(bits === 32 ? 42 : 54);
  const headerCount = Math.min(u16(bits === 32 ? 44 : 56), MOST);
  const segments = Array.from({ length: headerCount }, (_, index) => {
    const at = headersAt + index * headerSize;
    return bits === 32
      ? { type: u32(at), offset: u32(at + 4), address: u32(at + 8), size: u32(at + 16) }
      : { type: u32(at), offset: word(at + 8), address: word(at + 16), size: word(at + 32) };
  });
  const loader = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const values: { readonly tag: number; readonly value: number }[] = [];
  if (dynamic) {
    for (let at = dynamic.offset; at + 2 * wide <= dynamic.offset + dynamic.size && values.length < MOST; at += 2 * wide) {
      const tag = word(at);
      if (tag === 0) break;
      values.push({ tag, value: word(at + wide) });
    }
  }
  const strings = values.find(({ tag }) => tag === DT.strtab)?.value;
  const load = segments.find(
    (one) => one.type === PT_LOAD && strings !== undefined && strings >= one.address && strings < one.address + one.size,
  );
  const base = load && strings !== undefined ? strings - load.address + load.offset : undefined;
  const named = (wanted: number) => values.flatMap(({ tag, value }) => (tag === wanted && base !== undefined ? [text(base + value)] : []));
  const [soname] = named(DT.soname);
  return {
    bits,
    machine: u16(18),
    type: u16(16),
    ...(loader ? { interpreter: text(loader.offset, loader.offset + loader.size) } : {}),
    ...(soname === undefined ? {} : { soname }),
    needed: named(DT.needed),
    rpath: named(DT.rpath).flatMap((one) => one.split(":")),
    runpath: named(DT.runpath).flatMap((one) => one.split(":")),
  };
}
