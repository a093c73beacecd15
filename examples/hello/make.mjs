// Writes hello-amd64 and hello-arm64: static programs of a few dozen machine instructions' bytes, so that the example needs no compiler.
// Each is an ELF header, one program header, write(1, text), exit(0) and the text.  Run: node make.mjs
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const text = Buffer.from("Hello from scratch!\n");
const headers = 64 + 56;
const base = 0x400000n;

const amd64 = (() => {
  // mov eax, 1; mov edi, eax; lea rsi, [rip + 0]; mov edx, 0; syscall; mov eax, 60; xor edi, edi; syscall
  const code = Buffer.from("b801000000 89c7 488d3500000000 ba00000000 0f05 b83c000000 31ff 0f05".replaceAll(" ", ""), "hex");
  code.writeInt32LE(code.length - 14, 10); // lea: the text's distance from the next instruction
  code.writeUInt32LE(text.length, 15); // mov edx: its length
  return code;
})();

const arm64 = (() => {
  const mov = (register, value) => 0xd2800000 | (value << 5) | register;
  const svc = 0xd4000001;
  const words = [mov(8, 64), mov(0, 1), 0, mov(2, text.length), svc, mov(8, 93), mov(0, 0), svc];
  words[2] = 0x10000001 | ((words.length - 2) << 5); // adr x1, text: in words, because both ends are aligned
  const code = Buffer.alloc(words.length * 4);
  words.forEach((word, at) => code.writeUInt32LE(word >>> 0, at * 4));
  return code;
})();

for (const [name, machine, code] of [["amd64", 62, amd64], ["arm64", 183, arm64]]) {
  const file = Buffer.alloc(headers);
  const size = BigInt(headers + code.length + text.length);
  file.write("\x7fELF\x02\x01\x01", "latin1"); // 64 bit, little endian, version 1
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(headers), 24); // where it starts
  file.writeBigUInt64LE(64n, 32); // the program header follows at once
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // load
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(base, 80);
  file.writeBigUInt64LE(base, 88);
  file.writeBigUInt64LE(size, 96);
  file.writeBigUInt64LE(size, 104);
  file.writeBigUInt64LE(0x10000n, 112);
  const path = join(import.meta.dirname, `hello-${name}`);
  writeFileSync(path, Buffer.concat([file, code, text]));
  chmodSync(path, 0o755);
}
