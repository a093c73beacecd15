import { LZMA } from "./lzma-bytes.ts";

/** What native/lzma.c exports. Addresses and lengths are bytes. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  begin(dictionary: number): void;
  forget(): void;
  reset(): void;
  properties(byte: number): number;
  input(): number;
  output(): number;
  copy(count: number): number;
  chunk(packed: number, count: number): number;
  crc64(crc: bigint, count: number): bigint;
}

/** A module that has unpacked something large is not kept for the next stream. Bytes of its memory. */
const KEPT = 48 << 20;

/** What is needed of WebAssembly; Node's types leave it to those of browsers. */
const { Module, Instance } = (
  globalThis as unknown as {
    WebAssembly: { Module: new (bytes: Uint8Array) => object; Instance: new (module: object) => { readonly exports: unknown } };
  }
).WebAssembly;

let compiled: object | undefined;
let idle: Exports | undefined;

/** A decoder of LZMA2 chunks, with its dictionary: what one block of an .xz file needs (The .xz File Format, 5.3.1). */
export class Lzma {
  #module: Exports | undefined;

  /** `dictionary` is how far back matches may reach, in bytes. */
  constructor(dictionary: number) {
    compiled ??= new Module(Buffer.from(LZMA.base64, "base64"));
    this.#module = idle ?? (new Instance(compiled).exports as Exports);
    idle = undefined;
    this.#module.begin(dictionary);
  }

  get #its(): Exports {
    if (this.#module === undefined) throw new Error("internal: a decoder that was ended");
    return this.#module;
  }

  /** The dictionary is empty from here on. */
  forget(): void {
    this.#its.forget();
  }

  reset(): void {
    this.#its.reset();
  }

  /** Sets lc, lp and pb and resets. False: they are none. */
  properties(byte: number): boolean {
    return this.#its.properties(byte) === 1;
  }

  /** Unpacks one chunk of `count` bytes from at most 64 KiB; undefined where it is damaged or no memory is left. */
  chunk(packed: Uint8Array, count: number, compressed: boolean): Buffer | undefined {
    const its = this.#its;
    new Uint8Array(its.memory.buffer, its.input(), packed.length).set(packed);
    if ((compressed ? its.chunk(packed.length, count) : its.copy(count)) !== 0) return undefined;
    return Buffer.from(new Uint8Array(its.memory.buffer, its.output(), count));
  }

  /** CRC-64 of what the last chunk came to, going on from another. */
  crc64(crc: bigint, count: number): bigint {
    return this.#its.crc64(crc, count);
  }

  /** Gives its memory back. */
  end(): void {
    const its = this.#module;
    this.#module = undefined;
    if (its && its.memory.buffer.byteLength <= KEPT) idle ??= its;
  }
}
