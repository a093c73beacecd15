/** Runs a program of classic BPF over one struct seccomp_data, as the kernel would. */
export function runFilter(program: Buffer, audit: number, number: number, args: readonly (number | bigint)[] = []): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(audit, 4);
  for (const [at, value] of args.entries()) data.writeBigUInt64LE(typeof value === "bigint" ? value : BigInt(value >>> 0), 16 + 8 * at);
  let loaded = 0;
  for (let at = 0; at < program.length; ) {
    const code = program.readUInt16LE(at);
    const operand = program.readUInt32LE(at + 4);
    const jump = (holds: boolean) => 8 * (1 + (program[at + (holds ? 2 : 3)] as number));
    if (code === 0x20) {
      loaded = data.readUInt32LE(operand);
      at += 8;
    } else if (code === 0x06) return operand;
    else if (code === 0x05) at += 8 * (1 + operand);
    else if (code === 0x54) {
      loaded = (loaded & operand) >>> 0;
      at += 8;
    } else if (code === 0x25) at += jump(loaded > operand);
    else if (code === 0x15) at += jump(loaded === operand);
    else if (code === 0x35) at += jump(loaded >= operand);
    else if (code === 0x45) at += jump((loaded & operand) !== 0);
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error("the program ran off its end");
}
