/** One value of DER: its tag, its content, and all of its bytes. */
export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

const SEQUENCE = 0x30;
const UTF8 = 0x0c;

/** Reads the values that follow one another in DER (X.690, definite lengths, low tag numbers). Undefined where it is not well-formed. */
export function readDer(bytes: Buffer): Der[] | undefined {
  const found: Der[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number;
    let length = bytes[at + 1];
    let head = 2;
    if (length === undefined || (tag & 0x1f) === 0x1f) return undefined;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4 || at + 2 + count > bytes.length) return undefined;
      length = bytes.readUIntBE(at + 2, count);
      head += count;
    }
    const end = at + head + length;
    if (end > bytes.length) return undefined;
    found.push({ tag, content: bytes.subarray(at + head, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

/** Writes one value. */
export function writeDer(tag: number, content: Uint8Array): Buffer {
  const length = content.length;
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return Buffer.concat([Buffer.from(length < 0x80 ? [tag, length] : [tag, 0x80 | bytes.length, ...bytes]), content]);
}

/** The subject of a certificate (RFC 5280, 4.1): a Name. Undefined for what is none. */
export function subjectOf(certificate: Buffer): Buffer | undefined {
  const inner = readDer(readDer(certificate)?.[0]?.content ?? Buffer.alloc(0))?.[0];
  const fields = inner && readDer(inner.content);
  if (!fields) return undefined;
  // version [0] is left out of certificates of the first version; then serial, signature, issuer, validity, subject.
  const subject = fields[fields[0]?.tag === 0xa0 ? 5 : 4];
  return subject?.tag === SEQUENCE ? subject.content : undefined;
}

/**
 * A Name in OpenSSL's canonical form, over which `openssl x509 -hash` is taken: every text as UTF-8, in lower case as far as it is ASCII,
 * blanks at the ends gone and those between made one; without the outermost header (X509_NAME_hash, x509_cmp.c and x_name.c).
 */
export function canonicalName(name: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const set of readDer(name) ?? []) {
    const attributes: Buffer[] = [];
    for (const pair of readDer(set.content) ?? []) {
      const [oid, value] = readDer(pair.content) ?? [];
      if (!oid || !value) return undefined;
      const text = textOf(value);
      attributes.push(
        writeDer(SEQUENCE, Buffer.concat([oid.whole, text === undefined ? value.whole : writeDer(UTF8, canonicalText(text))])),
      );
    }
    parts.push(writeDer(set.tag, Buffer.concat(attributes)));
  }
  return Buffer.concat(parts);
}

function canonicalText(text: string): Buffer {
  return Buffer.from(
    text
      .replace(/^[ \t-\r]+|[ \t-\r]+$/g, "")
      .replace(/[ \t-\r]+/g, " ")
      .replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  );
}

/** The text of the string types that OpenSSL makes canonical; undefined for any other value. */
function textOf({ tag, content }: Der): string | undefined {
  switch (tag) {
    case UTF8:
      return content.toString("utf8");
    case 0x13: // PrintableString
    case 0x14: // T61String, taken as Latin-1
    case 0x16: // IA5String
    case 0x1a: // VisibleString
      return content.toString("latin1");
    case 0x1e: // BMPString
      return Buffer.from(content.subarray(0, content.length & ~1))
        .swap16()
        .toString("utf16le");
    case 0x1c: {
      // UniversalString
      let text = "";
      for (let at = 0; at + 4 <= content.length; at += 4) {
        const code = content.readUInt32BE(at);
        text += code <= 0x10ffff ? String.fromCodePoint(code) : "";
      }
      return text;
    }
    default:
      return undefined;
  }
}
