import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** The two halves of a clear-signed file. */
export interface ClearSigned {
  /** What is signed, and so what may be read: lines parted by `\n`, dash escapes and blanks at line ends removed. */
  readonly text: Buffer;
  /** The armored signature block. */
  readonly signature: string;
}

const BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE = "-----BEGIN PGP SIGNATURE-----";
const END = "-----END PGP SIGNATURE-----";

/**
 * Parts a clear-signed file (RFC 9580, section 7) that is nothing but one signed text and its signature. Stricter than the RFC: text
 * before, between or after, a second block, other headers than Hash, and unescaped dashes are refused, so that nobody can take unsigned
 * words for signed ones (CVE-2013-1051). A file that ends early is refused (CVE-2016-1252). Throws SIGNATURE.
 */
export function splitClearSigned(bytes: Buffer, where: string): ClearSigned {
  const bad = (why: string, hint?: string) => new Failure("SIGNATURE", `${printable(where)}: ${why}`, hint === undefined ? {} : { hint });
  // Latin-1 keeps every byte; the text is turned back into the same bytes below.
  const lines = bytes.toString("latin1").split("\n");
  const line = (at: number) => (lines[at] ?? "").replace(/[ \t\r]+$/, "");
  if (line(0) !== BEGIN) {
    const html = /^\s*(?:<!doctype|<html|<\?xml)/i.test(bytes.toString("latin1", 0, 200));
    if (html)
      throw bad(
        "a web page came instead of a signed file",
        "Something between here and the mirror answers for it: a proxy, a log-in page of the network.",
      );
    throw bad("it does not begin with a signed text");
  }
  let at = 1;
  for (; line(at) !== ""; at++) {
    if (at >= lines.length || !/^Hash: [A-Za-z0-9, -]{1,100}$/.test(line(at)))
      throw bad(`line ${at + 1}: only Hash headers may stand before the text`);
  }
  if (at >= lines.length - 1) throw bad("it ends before its text");
  at++;
  const text: string[] = [];
  for (; line(at) !== SIGNATURE; at++) {
    if (at >= lines.length) throw bad("it ends without a signature");
    const one = line(at);
    if (one.startsWith("-") && !one.startsWith("- ") && one !== "-") throw bad(`line ${at + 1}: an unescaped dash within the signed text`);
    text.push(one.startsWith("- ") ? one.slice(2) : one === "-" ? "" : one);
  }
  const from = at;
  for (; line(at) !== END; at++) {
    if (at >= lines.length) throw bad("it ends within its signature");
    if (at > from && line(at).startsWith("-")) throw bad(`line ${at + 1}: a second block`);
  }
  for (let after = at + 1; after < lines.length; after++) {
    if (line(after) !== "") throw bad(`line ${after + 1}: text after the signature, which nobody signed`);
  }
  return {
    text: Buffer.from(text.join("\n"), "latin1"),
    signature: `${lines
      .slice(from, at)
      .map((one) => one.trimEnd())
      .join("\n")}\n${END}\n`,
  };
}
