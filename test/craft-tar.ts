/** Tar archives made by hand, byte for byte, for tests: what no writer would write is what readers must stand. */
export interface Crafted {
  readonly name?: string | Buffer;
  /** Type flag; "0" where missing. */
  readonly flag?: string;
  readonly body?: string | Buffer;
  /** Size field, where it is not that of the body: octal text or 12 bytes. */
  readonly size?: number | string | Buffer;
  readonly mode?: number | string;
  readonly uid?: number | string | Buffer;
  readonly gid?: number | string | Buffer;
  readonly mtime?: number | string | Buffer;
  readonly link?: string | Buffer;
  readonly magic?: "ustar" | "gnu" | "v7";
  readonly prefix?: string;
  readonly major?: number | string | Buffer;
  readonly minor?: number | string | Buffer;
  readonly checksum?: string;
}

const ZEROS = Buffer.alloc(512);
/** The end of an archive. */
export const END = Buffer.alloc(1_024);

/** One member: header, body, padding. */
export function member(what: Crafted): Buffer {
  const body = Buffer.from(what.body ?? "");
  const head = Buffer.alloc(512);
  put(head, 0, 100, what.name ?? "file");
  put(head, 100, 8, octal(what.mode ?? 0o644, 7));
  put(head, 108, 8, octal(what.uid ?? 0, 7));
  put(head, 116, 8, octal(what.gid ?? 0, 7));
  put(head, 124, 12, octal(what.size ?? body.length, 11));
  put(head, 136, 12, octal(what.mtime ?? 1_700_000_000, 11));
  head.fill(0x20, 148, 156);
  head[156] = (what.flag ?? "0").charCodeAt(0);
  put(head, 157, 100, what.link ?? "");
  if (what.magic !== "v7") {
    put(head, 257, 8, what.magic === "gnu" ? "ustar  \0" : "ustar\x0000");
    put(head, 329, 8, octal(what.major ?? 0, 7));
    put(head, 337, 8, octal(what.minor ?? 0, 7));
    if (what.prefix !== undefined) put(head, 345, 155, what.prefix);
  }
  let sum = 0;
  for (const byte of head) sum += byte;
  put(head, 148, 8, what.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `);
  return Buffer.concat([head, body, ZEROS.subarray(0, (512 - (body.length % 512)) % 512)]);
}

/** A whole archive with its end. */
export function tar(...members: (Crafted | Buffer)[]): Buffer {
  return Buffer.concat([...members.map((one) => (Buffer.isBuffer(one) ? one : member(one))), END]);
}

/** A PAX header with these records; `flag` g for a global one. */
export function pax(records: Readonly<Record<string, string | Buffer>>, flag = "x"): Buffer {
  return member({
    name: "PaxHeaders.0/file",
    flag,
    body: Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value))),
  });
}

/** One PAX record with its right length. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** A GNU long name (`L`) or long link (`K`) header. */
export function long(name: string | Buffer, flag: "L" | "K" = "L"): Buffer {
  return member({ name: "././@LongLink", flag, magic: "gnu", body: Buffer.concat([Buffer.from(name), Buffer.from([0])]) });
}

/** Bytes in pieces of a size, as a stream would bring them. */
export async function* pieces(bytes: Buffer, size = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function octal(value: number | string | Buffer, digits: number): string | Buffer {
  return typeof value === "number" ? value.toString(8).padStart(digits, "0") : value;
}

function put(head: Buffer, at: number, length: number, value: string | Buffer): void {
  Buffer.from(value).copy(head, at, 0, length);
}
