import { endianness } from "node:os";

/** Numbers by name, in slots of two 32-bit numbers (little-endian): hash of the name, number plus one; zeros are empty. */
export interface NameTable {
  /** All numbers under the hash of a name, in the order they were put in. A few may belong to other names: the caller looks. */
  find(name: string): number[];
}

/** Numbers under the hashes of names, in the order they were put in. */
export class HashList {
  readonly keys: number[] = [];
  readonly values: number[] = [];

  add(name: string, value: number): void {
    this.keys.push(hashOf(name));
    this.values.push(value);
  }
}

/** Packs a table with twice as many slots as names, a power of two. Neighbours that collide stay in their order. */
export function buildTable({ keys, values }: HashList): Buffer {
  let slots = 1;
  while (slots < 2 * keys.length + 1) slots *= 2;
  const table = new Uint32Array(2 * slots);
  for (let n = 0; n < keys.length; n++) {
    const key = keys[n] as number;
    let slot = key & (slots - 1);
    while (table[2 * slot + 1] !== 0) slot = (slot + 1) & (slots - 1);
    table[2 * slot] = key;
    table[2 * slot + 1] = (values[n] as number) + 1;
  }
  const bytes = Buffer.from(table.buffer);
  return endianness() === "LE" ? bytes : bytes.swap32();
}

/** Opens a table at the beginning of `bytes`. */
export function openTable(bytes: Buffer, slots: number): NameTable {
  return {
    find(name) {
      const found: number[] = [];
      const key = hashOf(name);
      for (let slot = key & (slots - 1), seen = 0; seen < slots; slot = (slot + 1) & (slots - 1), seen++) {
        const value = bytes.readUInt32LE(8 * slot + 4);
        if (value === 0) break;
        if (bytes.readUInt32LE(8 * slot) === key) found.push(value - 1);
      }
      return found;
    },
  };
}

/** FNV-1a, 32 bits. The names are signed by the archive: nobody gains by making them collide. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < name.length; n++) hash = Math.imul(hash ^ name.charCodeAt(n), 0x01000193);
  return hash >>> 0;
}
