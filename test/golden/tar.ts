/**
 * A small tar reader and writer for the tests alone. It shares no code with nought's own, so that the two check each other.
 * POSIX.1-2008 pax, ustar, and GNU long names.
 */
import { decodeName, encodeName } from "../../src/kit/bytes.ts";

export interface TarMember {
  readonly name: string;
  /** "file", "dir", "symlink", "hardlink", "char", "block", "fifo". */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, fractions kept. */
  readonly mtime: number;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly data: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
};

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

function number(bytes: Buffer): number {
  if (((bytes[0] as number) & 0x80) !== 0)
    return Number(BigInt(`0x${bytes.toString("hex")}`) & ((1n << BigInt(8 * bytes.length - 1)) - 1n));
  return Number.parseInt(text(bytes).trim() || "0", 8);
}

function pax(bytes: Buffer): Map<string, Buffer> {
  const out = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString("latin1", at, space));
    if (!(length > 0)) throw new Error("bad pax record");
    const equals = bytes.indexOf(61, space);
    out.set(bytes.toString("utf8", space + 1, equals), bytes.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return out;
}

/** All members of an uncompressed archive. Throws Error where it is damaged. */
export function readTar(bytes: Buffer): TarMember[] {
  const out: TarMember[] = [];
  let next = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= bytes.length; ) {
    const head = bytes.subarray(at, at + 512);
    if (head.every((byte) => byte === 0)) break;
    let sum = 256;
    for (let k = 0; k < 512; k++) if (k < 148 || k >= 156) sum += head[k] as number;
    if (sum !== number(head.subarray(148, 156))) throw new Error(`bad tar checksum at ${at}`);
    const flag = String.fromCharCode(head[156] as number);
    const size = next.has("size") ? Number(next.get("size")) : number(head.subarray(124, 136));
    const data = bytes.subarray(at + 512, at + 512 + ("123456".includes(flag) ? 0 : size));
    at += 512 + Math.ceil(data.length / 512) * 512;
    if (flag === "x") next = pax(data);
    else if (flag === "L") next.set("path", data.subarray(0, data.indexOf(0) < 0 ? data.length : data.indexOf(0)));
    else if (flag === "K") next.set("linkpath", data.subarray(0, data.indexOf(0) < 0 ? data.length : data.indexOf(0)));
    else if (flag !== "g") {
      const prefix = head.toString("latin1", 257, 263) === "ustar\0" ? text(head.subarray(345, 500)) : "";
      const short = (prefix === "" ? "" : `${prefix}/`) + text(head.subarray(0, 100));
      const name = next.has("path") ? decodeName(next.get("path") as Buffer) : short;
      const xattrs: Record<string, string> = {};
      for (const [key, value] of next) if (key.startsWith("SCHILY.xattr.")) xattrs[key.slice(13)] = value.toString("hex");
      out.push({
        name,
        type: name.endsWith("/") && TYPES[flag] === "file" ? "dir" : (TYPES[flag] ?? `type ${flag}`),
        mode: number(head.subarray(100, 108)) & 0o7777,
        uid: next.has("uid") ? Number(next.get("uid")) : number(head.subarray(108, 116)),
        gid: next.has("gid") ? Number(next.get("gid")) : number(head.subarray(116, 124)),
        mtime: next.has("mtime") ? Number(next.get("mtime")) : number(head.subarray(136, 148)),
        link: next.has("linkpath") ? decodeName(next.get("linkpath") as Buffer) : text(head.subarray(157, 257)),
        major: number(head.subarray(329, 337)),
        minor: number(head.subarray(337, 345)),
        xattrs,
        data,
      });
      next = new Map();
    }
  }
  return out;
}

const FLAGS: Readonly<Record<string, string>> = { file: "0", hardlink: "1", symlink: "2", char: "3", block: "4", dir: "5", fifo: "6" };

/** An archive of these members, with pax records where the plain header cannot say it. */
export function writeTar(members: readonly (Partial<TarMember> & { readonly name: string; readonly type: string })[]): Buffer {
  const parts: Buffer[] = [];
  const header = (name: Buffer, flag: string, size: number, one: Partial<TarMember>): void => {
    const head = Buffer.alloc(512);
    name.copy(head, 0, 0, 100);
    const octal = (value: number, at: number, length: number) => head.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
    octal(one.mode ?? 0o644, 100, 8);
    octal(one.uid ?? 0, 108, 8);
    octal(one.gid ?? 0, 116, 8);
    octal(size, 124, 12);
    octal(Math.floor(one.mtime ?? 0), 136, 12);
    head.write(flag, 156, "latin1");
    encodeName(one.link ?? "").copy(head, 157, 0, 100);
    head.write("ustar\x0000", 257, "latin1");
    octal(one.major ?? 0, 329, 8);
    octal(one.minor ?? 0, 337, 8);
    head.fill(32, 148, 156);
    let sum = 0;
    for (const byte of head) sum += byte;
    head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    parts.push(head);
  };
  const body = (data: Buffer): void => {
    parts.push(data, Buffer.alloc((512 - (data.length % 512)) % 512));
  };
  for (const one of members) {
    const name = encodeName(one.name);
    const records: Buffer[] = [];
    const record = (key: string, value: Buffer) => {
      const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      records.push(Buffer.from(String(length)), rest);
    };
    if (name.length > 100) record("path", name);
    if (encodeName(one.link ?? "").length > 100) record("linkpath", encodeName(one.link ?? ""));
    for (const [key, value] of Object.entries(one.xattrs ?? {})) record(`SCHILY.xattr.${key}`, Buffer.from(value, "hex"));
    if (one.mtime !== undefined && !Number.isInteger(one.mtime)) record("mtime", Buffer.from(String(one.mtime)));
    if (records.length > 0) {
      const data = Buffer.concat(records);
      header(Buffer.from("pax"), "x", data.length, {});
      body(data);
    }
    const data = one.type === "file" ? (one.data ?? Buffer.alloc(0)) : Buffer.alloc(0);
    header(name, FLAGS[one.type] as string, data.length, one);
    body(data);
  }
  parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}
