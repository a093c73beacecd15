import assert from "node:assert";
import { encodeName } from "../kit/bytes.ts";
import { errnoName } from "./errno.ts";
import { type CallArchitecture, syscallNumbers } from "./syscall-numbers.ts";

/**
 * The format that native/nbox.c reads. All numbers are little-endian.
 * - header: u32 bytes of the blob, u32 operations, u32 fixups, u32 operation to go on with after an error (0: report it).
 * - blob: operations of 64 bytes, then data.
 *   operation: u8 kind, u8 arguments that are addresses, u8 arguments that are registers, u8 flags, s32 number, s32 where the
 *   result goes, s32 0, s64 arguments[6]. The masks have bit k for argument k; an address is an offset into the blob.
 * - fixups: u32 offsets of addresses inside the data.
 */
const HEADER = 16;
const OPERATION = 64;

/** Kinds of operations. `number` is a system call's, or the operation that is gone to. */
export const KIND = { call: 0, clone: 1, jumpEqual: 2, pump: 3, decimal: 4, leave: 5, store: 7, load32: 10, supervise: 12 } as const;
const FLAG = { ignore: 1, toRegister: 2, toMemory: 4 } as const;

/** A place in the table's data. */
export interface Address {
  readonly at: number;
}

/** One of 256 numbers that operations fill and use; 254 and 255 are the failed operation and its error. */
export interface Register {
  readonly register: number;
}

export type Argument = number | bigint | Address | Register;

/** A place among the operations that is jumped to; it may be set later. */
export interface Mark {
  index: number | undefined;
}

export interface CallOptions {
  /** What to tell when it fails, instead of the call's name: `mount /proc`. */
  readonly label?: string;
  /** A failure is no failure. */
  readonly ignore?: boolean;
  /** Where the result goes (with `ignore`, also a negative error number). */
  readonly into?: Register | Address;
}

/** A finished table. */
export interface Table {
  readonly bytes: Buffer;
  /** What the operation was doing: `move_mount /proc`. */
  label(operation: number): string;
}

/** The first and the second `s64` of an error report, put in words: `move_mount /proc: EINVAL`. */
export function explain(table: Table, operation: number, errno: number): string {
  return `${table.label(operation)}: ${errnoName(errno)}`;
}

/** Writes a table into one buffer that grows by doubling. Methods are cheap: no object is made for an operation. */
export class TableBuilder {
  readonly numbers: ReadonlyMap<string, number>;
  #ops = Buffer.alloc(64 * OPERATION);
  #count = 0;
  #data = Buffer.alloc(4096);
  #used = 0;
  #registers = 0;
  readonly #fixups: number[] = [];
  readonly #labels = new Map<number, string>();
  readonly #names: string[] = [];
  readonly #texts = new Map<string, Address>();
  readonly #jumps: { readonly op: number; readonly to: Mark }[] = [];
  #onError: Mark | undefined;

  constructor(architecture: CallArchitecture) {
    this.numbers = syscallNumbers(architecture);
  }

  /** How many operations there are. */
  get length(): number {
    return this.#count;
  }

  /** What an operation does, in words. */
  labelOf(operation: number): string {
    return this.#labels.get(operation) ?? this.#names[operation] ?? `operation ${operation}`;
  }

  register(): Register {
    assert(this.#registers < 254, "too many registers");
    return { register: this.#registers++ };
  }

  /** Adds bytes to the data, at a multiple of 8. */
  bytes(bytes: Uint8Array): Address {
    const address = this.space(bytes.length);
    this.#data.set(bytes, address.at);
    return address;
  }

  /** Adds zeros to the data, at a multiple of 8. */
  space(length: number): Address {
    const at = this.#used;
    this.#used = (at + length + 7) & ~7;
    if (this.#used > this.#data.length) {
      const larger = Buffer.alloc(Math.max(this.#used, this.#data.length * 2));
      this.#data.copy(larger, 0, 0, at);
      this.#data = larger;
    }
    return { at };
  }

  /** Adds a text (kit/bytes.ts) and the NUL behind it; the same text is kept once. Throws where the text holds a NUL itself. */
  text(text: string | Uint8Array): Address {
    if (typeof text !== "string") return this.bytes(Buffer.concat([text, Buffer.alloc(1)]));
    const known = this.#texts.get(text);
    if (known) return known;
    assert(!text.includes("\0"), "a text for the kernel holds a NUL");
    const address = this.text(encodeName(text));
    this.#texts.set(text, address);
    return address;
  }

  /** Adds numbers of 32 bits each. */
  words32(...words: readonly number[]): Address {
    const address = this.space(words.length * 4);
    for (const [at, word] of words.entries()) this.#data.writeInt32LE(word | 0, address.at + 4 * at);
    return address;
  }

  /** Adds numbers of 64 bits each, addresses among them. */
  words64(...words: readonly (number | bigint | Address)[]): Address {
    const address = this.space(words.length * 8);
    for (const [at, word] of words.entries()) {
      const to = address.at + 8 * at;
      if (typeof word === "object") this.#fixups.push(to);
      this.#data.writeBigInt64LE(BigInt.asIntN(64, BigInt(typeof word === "object" ? word.at : word)), to);
    }
    return address;
  }

  /** Adds texts and the list of their addresses that execve(2) takes. */
  list(texts: readonly (string | Uint8Array)[]): Address {
    return this.words64(...texts.map((text) => this.text(text)), 0);
  }

  /** Adds a system call. Throws where the architecture has none of that name. */
  call(name: string, args: readonly Argument[] = [], options: CallOptions = {}): void {
    const number = this.numbers.get(name);
    assert(number !== undefined, `no system call ${name}`);
    this.#add(KIND.call, number, args, options, name);
  }

  /** Adds a fork into new namespaces: the child goes on with the next operation, the parent at `parent` with the child's number. */
  clone(flags: number, into: Register, parent: Mark, label = "clone"): void {
    this.#jumps.push({ op: this.#count, to: parent });
    this.#add(KIND.clone, 0, [flags], { into, label }, label);
  }

  /** Goes on at `to` if both are equal. */
  jumpEqual(a: Argument, b: Argument, to: Mark): void {
    this.#jumps.push({ op: this.#count, to });
    this.#add(KIND.jumpEqual, 0, [a, b], {}, "");
  }

  jump(to: Mark): void {
    this.jumpEqual(0, 0, to);
  }

  mark(): Mark {
    return { index: undefined };
  }

  /** Sets a mark before the next operation. */
  place(mark: Mark): void {
    mark.index = this.#count;
  }

  /**
   * Waits for a child, moves bytes as `streams` says (see streams.ts), and ends as the child did; with `code`, goes on with its exit code.
   */
  pump(pid: Argument, streams: Address, code?: Register): void {
    this.#add(KIND.pump, 0, [pid, streams, code ? 1 : 0], code ? { into: code } : {}, "");
  }

  /** Writes a number that is not negative in decimal, with a NUL behind it. */
  decimal(value: Argument, to: Address): void {
    this.#add(KIND.decimal, 0, [value, to], {}, "");
  }

  /** Answers calls that a filter hands over, as the rules say (see seccomp/owners.ts), for ever. */
  supervise(listener: Argument, proc: Argument, rules: Address, count: number): void {
    this.#add(KIND.supervise, 0, [listener, proc, rules, count], {}, "");
  }

  /** Ends the process with an exit code. */
  leave(code: number | Register): void {
    this.#add(KIND.leave, 0, [code], {}, "");
  }

  /** Writes 64 bits into the data. */
  store(value: Argument, to: Address): void {
    this.#add(KIND.store, 0, [value, to], {}, "");
  }

  /** Reads 32 bits of the data, with their sign. */
  load32(from: Address, into: Register): void {
    this.#add(KIND.load32, 0, [from], { into, ignore: true }, "");
  }

  /** After the first error, goes on here once, with registers 254 and 255 set, instead of reporting it. */
  onError(mark: Mark): void {
    this.#onError = mark;
  }

  finish(): Table {
    const base = this.#count * OPERATION;
    const size = base + this.#used;
    const bytes = Buffer.alloc(HEADER + size + 4 * this.#fixups.length);
    bytes.writeUInt32LE(size, 0);
    bytes.writeUInt32LE(this.#count, 4);
    bytes.writeUInt32LE(this.#fixups.length, 8);
    bytes.writeUInt32LE(this.#onError?.index ?? 0, 12);
    for (const { op, to } of this.#jumps) {
      assert(to.index !== undefined, "a mark was never placed");
      this.#ops.writeInt32LE(to.index, op * OPERATION + 4);
    }
    this.#ops.copy(bytes, HEADER, 0, base);
    this.#data.copy(bytes, HEADER + base, 0, this.#used);
    this.#rebase(bytes.subarray(HEADER), base);
    for (const [at, fixup] of this.#fixups.entries()) bytes.writeUInt32LE(base + fixup, HEADER + size + 4 * at);
    return { bytes, label: (operation) => this.labelOf(operation) };
  }

  /** Offsets into the data become offsets into the blob, where the operations come first. */
  #rebase(blob: Buffer, base: number): void {
    const shift = (at: number) => blob.writeUInt32LE(blob.readUInt32LE(at) + base, at);
    for (let op = 0; op < base; op += OPERATION) {
      const mask = blob[op + 1] as number;
      for (let k = 0; mask >> k > 0; k++) if ((mask >> k) & 1) shift(op + 16 + 8 * k);
      if ((blob[op + 3] as number) & FLAG.toMemory) shift(op + 8);
    }
    for (const fixup of this.#fixups) shift(base + fixup);
  }

  #add(kind: number, number: number, args: readonly Argument[], options: CallOptions, name: string): void {
    const at = this.#count * OPERATION;
    if (at + OPERATION > this.#ops.length) this.#ops = Buffer.concat([this.#ops, Buffer.alloc(this.#ops.length)]);
    const ops = this.#ops;
    let flags = options.ignore ? FLAG.ignore : 0;
    if (options.into) {
      const isRegister = "register" in options.into;
      flags |= isRegister ? FLAG.toRegister : FLAG.toMemory;
      ops.writeInt32LE("register" in options.into ? options.into.register : options.into.at, at + 8);
    }
    ops[at] = kind;
    ops[at + 3] = flags;
    ops.writeInt32LE(number, at + 4);
    for (let k = 0; k < args.length; k++) this.#argument(at, k, args[k] as Argument);
    if (options.label !== undefined) this.#labels.set(this.#count, options.label);
    this.#names[this.#count++] = name;
  }

  #argument(at: number, k: number, value: Argument): void {
    const to = at + 16 + 8 * k;
    if (typeof value === "number" && value >= 0 && value <= 0xffffffff) this.#ops.writeUInt32LE(value, to);
    else if (typeof value === "object" && "at" in value) {
      this.#ops[at + 1] = (this.#ops[at + 1] as number) | (1 << k);
      this.#ops.writeUInt32LE(value.at, to);
    } else if (typeof value === "object") {
      this.#ops[at + 2] = (this.#ops[at + 2] as number) | (1 << k);
      this.#ops.writeUInt32LE(value.register, to);
    } else this.#ops.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)), to);
  }
}
