import type { Feed } from "../format/feed.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** One member of an ar archive, its content to be read before the next one is asked for; what is left is passed over. */
export interface ArMember {
  readonly name: string;
  /** Bytes of content. */
  readonly size: number;
  readonly bytes: AsyncIterable<Buffer>;
}

const MAGIC = "!<arch>\n";
const HEADER = 60;
/** A .deb has three members, and may have a few of its own that begin with an underscore. */
const MOST = 16;

/**
 * Reads an ar archive of the kind that a .deb is (deb(5); ar(5), the common format without long names). Numbers are digits and blanks and
 * nothing else, every header ends with its mark, and content of odd length is followed by a line break, which only the last may lack.
 * Throws PACKAGE; `label` names the archive.
 */
export async function* readAr(feed: Feed, label: string): AsyncGenerator<ArMember> {
  const magic = await take(feed, MAGIC.length);
  if (magic.toString("latin1") !== MAGIC) throw bad(label, "it does not begin as a Debian package does");
  for (let count = 0; ; count++) {
    const header = await take(feed, HEADER);
    if (header.length === 0) return;
    if (header.length < HEADER) throw bad(label, "it ends in the middle of a header");
    if (count >= MOST) throw bad(label, `more than ${MOST} members`);
    const text = header.toString("latin1");
    const name = text.slice(0, 16).trimEnd().replace(/\/$/, "");
    const [, digits] = /^(\d+) *$/.exec(text.slice(48, 58)) ?? [];
    if (!text.endsWith("`\n")) throw bad(label, "a member's header is damaged");
    if (!/^[A-Za-z0-9._+-]+$/.test(name)) throw bad(label, `a member is called "${printable(name)}"`);
    if (digits === undefined) throw bad(label, `the size of ${name} is not a number`);
    const size = Number(digits);
    const state = { left: size };
    yield { name, size, bytes: content(feed, state, name, label) };
    for await (const _ of content(feed, state, name, label));
    if (size % 2 === 1) {
      const pad = await take(feed, 1);
      if (pad.length === 1 && pad[0] !== 10) throw bad(label, `${name} of odd length is not followed by a line break`);
    }
  }
}

async function* content(feed: Feed, state: { left: number }, name: string, label: string): AsyncGenerator<Buffer> {
  while (state.left > 0) {
    const piece = await feed.next();
    if (piece === undefined) throw bad(label, `it ends in the middle of ${name}`);
    const own = piece.length > state.left ? piece.subarray(0, state.left) : piece;
    if (own.length < piece.length) feed.unread(piece.subarray(own.length));
    state.left -= own.length;
    yield own;
  }
}

/** At most `length` bytes: fewer only at the end. */
async function take(feed: Feed, length: number): Promise<Buffer> {
  const head = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const piece = await feed.next();
    if (piece === undefined) break;
    const used = Math.min(piece.length, length - have);
    piece.copy(head, have, 0, used);
    have += used;
    feed.unread(piece.subarray(used));
  }
  return head.subarray(0, have);
}

function bad(label: string, what: string): Failure {
  return new Failure("PACKAGE", `${printable(label)}: ${what}`);
}
