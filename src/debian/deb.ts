import { decompress } from "../format/decompress.ts";
import { Feed } from "../format/feed.ts";
import { indexLayer } from "../image/index-layer.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { digestFromHex, hasher, hexOf } from "../oci/digest.ts";
import type { Task } from "../task/task.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { type ArMember, readAr } from "./deb-ar.ts";
import type { DebContents } from "./deb-contents.ts";
import { type DebControl, readControl } from "./deb-control.ts";
import type { LockEntry } from "./face.ts";

/** A package, read: what it says of itself, and its files. */
export interface Deb extends DebControl {
  /** In canonical order; paths as the package has them (`/bin/x` is not yet `/usr/bin/x`). */
  readonly draft: Draft;
}

/** How a member may be compressed, by the end of its name (deb(5)). */
const COMPRESSIONS: Readonly<Record<string, readonly string[]>> = {
  // An archive without a member does not look like one; what is none is refused when it is read.
  "": ["tar", "other"],
  ".gz": ["gzip"],
  ".xz": ["xz"],
  ".zst": ["zstd"],
  ".bz2": ["bzip2"],
};

/** Bytes that the files of one package may have together; the largest packages of Debian have some three gibibytes. */
export const DATA_BYTES = 16 * 2 ** 30;
/** How many times larger than its compressed form a data member may be. */
const RATIO = 5_000;

/**
 * Reads a .deb (deb(5)) in one pass and unpacks nothing to the disk: its control files come into memory, its data archive becomes a
 * draft whose contents are in `contents`. The archive must have the three members in their order, each compressed as its name says;
 * members that begin with an underscore are passed over. No script is run. With `expect`, the bytes and what the package says of itself
 * must be those. Throws PACKAGE, TAR, COMPRESSION, LIMIT, DIGEST, STORAGE.
 */
export async function readDeb(
  source: AsyncIterable<Uint8Array>,
  label: string,
  contents: DebContents,
  task: Task,
  expect?: LockEntry,
): Promise<Deb> {
  const seen = { hash: hasher(), size: 0 };
  const feed = new Feed(watched(source, seen));
  let control: DebControl | undefined;
  let draft: Draft | undefined;
  let count = 0;
  try {
    for await (const member of readAr(feed, label)) {
      if (count++ === 0) await format(member, label);
      else if (member.name.startsWith("_")) continue;
      else if (control === undefined) {
        const { bytes } = await unpacked(member, "control", label, { bytes: 2 * 16 * 2 ** 20, ratio: 2_000 });
        control = await readControl(bytes, `${label}: ${member.name}`);
      } else if (draft === undefined) draft = await data(member, label, contents, task, expect, control);
      else throw bad(label, `the member ${member.name} after its data`);
    }
  } catch (error) {
    throw expect && !(error instanceof Failure && error.code === "INTERRUPTED") ? await damaged(error, feed, seen, label, expect) : error;
  } finally {
    await feed.close();
  }
  if (count === 0) throw bad(label, "it is empty");
  if (control === undefined) throw bad(label, "it has no control member");
  if (draft === undefined) throw bad(label, "it has no data member");
  if (expect) agree(control, seen, label, expect);
  return { ...control, draft };
}

async function format(member: ArMember, label: string): Promise<void> {
  if (member.name !== "debian-binary" || member.size > 100) throw bad(label, "its first member is not debian-binary");
  const pieces: Buffer[] = [];
  for await (const piece of member.bytes) pieces.push(Buffer.from(piece));
  const text = Buffer.concat(pieces).toString("latin1");
  if (!/^2\.\d+\n/.test(text)) throw bad(label, `its format is "${printable(text.split("\n")[0] ?? "")}"; nought reads 2.0`);
}

async function unpacked(member: ArMember, what: string, label: string, bounds: { readonly bytes: number; readonly ratio: number }) {
  const form = member.name.startsWith(`${what}.tar`) ? COMPRESSIONS[member.name.slice(what.length + 4)] : undefined;
  if (form === undefined) throw bad(label, `the member ${member.name} where its ${what} should be`);
  const found = await decompress(member.bytes, bounds);
  if (!form.includes(found.kind)) throw bad(label, `${member.name} is not compressed as its name says`);
  return found;
}

async function data(
  member: ArMember,
  label: string,
  contents: DebContents,
  task: Task,
  expect: LockEntry | undefined,
  control: DebControl,
): Promise<Draft> {
  const { bytes } = await unpacked(member, "data", label, { bytes: Math.min(DATA_BYTES, LIMITS.unpackedBytes), ratio: RATIO });
  // Its own word for it, in KiB, and some for what a tar adds.
  const size = Number(/^\d{1,9}$/.exec(control.fields.get("installed-size") ?? "")?.[0] ?? 0) * 1280;
  const writer = contents.writer(size);
  // The sum of the whole package stands for its archive: two packages never share one.
  const known = expect ? { as: digestFromHex(expect.sha256) } : {};
  try {
    const found = await indexLayer(bytes, { label: `${label}: ${member.name}`, take: (piece) => writer.take(piece), ...known }, task);
    if (found.compression !== "uncompressed") throw bad(label, `${member.name} is compressed twice`);
    if (found.repeated > 0) throw bad(label, `${member.name} holds a path twice`);
    const deleted = found.draft.find((entry) => entry.kind === "whiteout" || (entry.kind === "dir" && entry.opaque));
    if (deleted) throw bad(label, `${printable(deleted.path)} would be a deletion (.wh.) in an image`);
    const content = writer.finish(found.diffId);
    return found.draft.map((entry): Entry => {
      if (entry.kind !== "file" || entry.content.in !== "layer") return entry;
      return { ...entry, content: content(entry.content.offset, entry.size) };
    });
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** Counts and hashes what is read. */
async function* watched(source: AsyncIterable<Uint8Array>, seen: { hash: ReturnType<typeof hasher>; size: number }) {
  for await (const piece of source) {
    seen.hash.update(piece);
    seen.size += piece.length;
    yield piece;
  }
}

/** Bytes that are not the package's own are told as such, whatever the first thing is that is wrong with them. */
async function damaged(
  error: unknown,
  feed: Feed,
  seen: { hash: ReturnType<typeof hasher>; size: number },
  label: string,
  expect: LockEntry,
): Promise<unknown> {
  try {
    for (let piece = await feed.next(); piece && seen.size <= expect.size; piece = await feed.next());
  } catch {
    return error;
  }
  return sumFailure(seen, label, expect) ?? error;
}

function sumFailure(seen: { hash: ReturnType<typeof hasher>; size: number }, label: string, expect: LockEntry): Failure | undefined {
  const found = hexOf(seen.hash.digest());
  if (found === expect.sha256 && seen.size === expect.size) return undefined;
  return new Failure("DIGEST", `${printable(label)}: ${seen.size} bytes with sha256 ${found}, not ${expect.size} with ${expect.sha256}`);
}

/** The package must be the one that was asked for. */
function agree(control: DebControl, seen: { hash: ReturnType<typeof hasher>; size: number }, label: string, expect: LockEntry): void {
  const wrong = sumFailure(seen, label, expect);
  if (wrong) throw wrong;
  for (const key of ["name", "version", "architecture"] as const) {
    if (control[key] === expect[key]) continue;
    throw bad(label, `it says that its ${key} is ${printable(control[key])}, the index says ${printable(expect[key])}`);
  }
}

function bad(label: string, what: string): Failure {
  return new Failure("PACKAGE", `${printable(label)}: ${what}`);
}
