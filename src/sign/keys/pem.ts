import { Failure } from "../../kit/error.ts";

/** One block of a PEM file. RFC 7468. */
export interface PemBlock {
  /** What it calls itself: `PUBLIC KEY`. */
  readonly label: string;
  readonly bytes: Uint8Array;
  /** The block as it stands. */
  readonly text: string;
}

/**
 * The one block of a PEM text. Text around it is passed over, as others do, and so are the EC PARAMETERS that OpenSSL writes before a key;
 * a second block is refused, since readers differ in which they would take. `where` names the text in messages. Throws KEY.
 */
export function readPem(text: string, where: string): PemBlock {
  let found: PemBlock | undefined;
  for (let at = 0; ; ) {
    const begin = text.indexOf("-----BEGIN ", at);
    if (begin < 0) break;
    const dashes = text.indexOf("-----", begin + 11);
    const label = text.slice(begin + 11, dashes);
    const ending = `-----END ${label}-----`;
    const end = text.indexOf(ending, dashes);
    if (dashes < 0 || label.length > 60 || !/^[A-Z0-9 ]+$/.test(label) || end < 0)
      throw new Failure("KEY", `${where}: its PEM text has no end`);
    at = end + ending.length;
    if (label === "EC PARAMETERS") continue;
    if (found) throw new Failure("KEY", `${where}: it holds more than one key`);
    found = { label, bytes: decode(text.slice(dashes + 5, end), where), text: text.slice(begin, at) };
  }
  if (!found) throw new Failure("KEY", `${where}: no PEM text ("-----BEGIN … KEY-----")`);
  return found;
}

function decode(body: string, where: string): Uint8Array {
  // Headers (`Proc-Type`) belong to a form of OpenSSL that node:crypto reads from the text itself.
  const base64 = body.includes(":") ? "" : body.replaceAll(/\s/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw new Failure("KEY", `${where}: its PEM text is damaged`);
  return Buffer.from(base64, "base64");
}

/** Bytes as a PEM text, 64 characters a line. */
export function writePem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
