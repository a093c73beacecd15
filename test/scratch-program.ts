/** A program that needs nothing at all, made byte by byte: what images FROM scratch hold. x86-64 only. */

export const MESSAGE = "I'm running from scratch.\n";

/** Says its message every second for ever; with an argument, three times without waiting long, and ends. An ELF file of 250 bytes. */
export function scratchProgram(): Buffer {
  const base = 0x400000;
  const start = 64 + 56;
  const message = Buffer.from(MESSAGE);
  const code = new Code();
  code.put("48 8b 1c 24"); // mov rbx, [rsp]: argc
  code.put("41 bc 03 00 00 00"); // mov r12d, 3
  const loop = code.length;
  code.put("b8 01 00 00 00 bf 01 00 00 00"); // write to descriptor 1
  const text = code.address("48 8d 35"); // lea rsi, [rip + message]
  code.put("ba").word(message.length).put("0f 05"); // mov edx, length; syscall
  code.put("48 83 fb 01 74 05"); // cmp rbx, 1; je over the next two
  code.put("41 ff cc 74 12"); // dec r12d; jz to the end
  code.put("b8 23 00 00 00"); // nanosleep
  const time = code.address("48 8d 3d"); // lea rdi, [rip + time]
  code.put("31 f6 0f 05"); // xor esi, esi; syscall
  code.put(`eb ${((loop - code.length - 2) & 0xff).toString(16)}`); // jmp loop
  code.put("b8 3c 00 00 00 31 ff 0f 05"); // exit(0)
  time(code.length);
  code.put("01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"); // one second
  text(code.length);
  const size = start + code.length + message.length;
  const header = Buffer.alloc(start);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(62, 18); // for x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(base + start), 24);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // PT_LOAD
  header.writeUInt32LE(5, 68); // to read and to run
  header.writeBigUInt64LE(BigInt(base), 80);
  header.writeBigUInt64LE(BigInt(base), 88);
  header.writeBigUInt64LE(BigInt(size), 96);
  header.writeBigUInt64LE(BigInt(size), 104);
  header.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([header, code.bytes(), message]);
}

class Code {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  put(hex: string): this {
    this.#bytes.push(...hex.split(" ").map((one) => Number.parseInt(one, 16)));
    return this;
  }

  word(value: number): this {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes.push((value >> shift) & 0xff);
    return this;
  }

  /** An instruction with an address relative to its end, which is told later. */
  address(hex: string): (target: number) => void {
    this.put(hex);
    const at = this.length;
    this.word(0);
    return (target) => {
      for (let byte = 0; byte < 4; byte++) this.#bytes[at + byte] = ((target - at - 4) >> (8 * byte)) & 0xff;
    };
  }

  bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }
}
