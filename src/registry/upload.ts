import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, digestOf, hasher } from "../oci/digest.ts";
import type { Rereadable } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import { forget, Refusal } from "./answer.ts";
import type { Client } from "./client.ts";
import { createPatience, isPassing } from "./pause.ts";

/** What stays in memory so that it can be sent again, and the size of a chunk where the whole size is not known. Bytes. */
export const SMALL = 1 << 20;
const CHUNK = 8 << 20;
/** The largest least size of chunks that we go along with. */
const CHUNK_MOST = 64 << 20;

/** How a blob came to be in a repository. */
export type Arrival = "sent" | "mounted";

export interface Uploader {
  readonly client: Client;
  readonly repository: string;
  readonly rights: readonly string[];
  readonly retryMs: number;
  readonly task: Task;
}

/** An upload under way. */
interface Session {
  readonly location: URL;
  /** Bytes a chunk must have, unless it is the last. Distribution spec 1.1, `OCI-Chunk-Min-Length`. */
  readonly least: number;
}

/** A blob by what it will be called. */
export interface Known {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Sends a blob whose digest and size are known, in one piece. Where the line breaks and the source can be read again, the upload is taken
 * up at the byte that the registry has, or begun anew; where it is too long for a proxy on the way, it goes in chunks. `from` is a
 * repository of the same registry that may have the blob: it is mounted where the registry agrees. Throws DIGEST where the source is not
 * what was announced, NETWORK, AUTH, LIMIT.
 */
export async function uploadKnown(
  to: Uploader,
  source: AsyncIterable<Uint8Array> | Rereadable | Uint8Array,
  what: Known,
  from: string | undefined,
): Promise<Arrival> {
  const whole = async () => {
    if (!(source instanceof Uint8Array)) return what.size <= SMALL ? gather(source, what) : undefined;
    check(source, what);
    return source;
  };
  // What may be mounted need not be read before the registry has refused that.
  let bytes = from === undefined ? await whole() : undefined;
  let reread: Rereadable | undefined;
  const patience = createPatience(to.retryMs, to.task, (problem) =>
    to.task.emit({ type: "note", text: `${(problem as Failure).message}; trying again` }),
  );
  let mountable = from;
  let first = true;
  for (;;) {
    const session = await start(to, what.digest, mountable);
    mountable = undefined;
    if (session === undefined) return "mounted";
    bytes ??= first && from !== undefined ? await whole() : undefined;
    if (bytes === undefined && "from" in source) reread = source as Rereadable;
    try {
      if (bytes !== undefined) {
        await finish(to, session.location, what, bytes);
        return "sent";
      }
      const stream = reread ? reread.from(0) : (source as AsyncIterable<Uint8Array>);
      first = false;
      await finish(to, session.location, what, counted(stream, what, reread?.verified ?? false));
      return "sent";
    } catch (problem) {
      if (reread && problem instanceof Refusal && problem.status === 413) {
        // Something before the registry takes no long bodies: pieces may pass.
        await uploadUnknown(to, counted(reread.from(0), what, reread.verified));
        return "sent";
      }
      if (!isPassing(problem) && !lost(problem)) throw problem;
      if (reread === undefined && (bytes === undefined || !first)) throw problem;
      if (!(await patience.again(lost(problem) ? reset(problem) : problem, (problem as { retryAfter?: string }).retryAfter))) throw problem;
      if (reread && (await resumed(to, session.location, reread, what))) return "sent";
    }
  }
}

/** Sends a blob whose size nobody knows yet, in chunks; each can be sent again. Throws as uploadKnown does. */
export async function uploadUnknown(to: Uploader, source: AsyncIterable<Uint8Array>): Promise<Known> {
  const hash = hasher();
  let size = 0;
  let session: Session | undefined;
  let location: URL | undefined;
  const pieces: Uint8Array[] = [];
  let held = 0;
  const sendChunk = async (last: boolean) => {
    session ??= await begin(to);
    if (held < session.least && !last) return;
    const chunk = Buffer.concat(pieces.splice(0));
    location = await patch(to, location ?? session.location, chunk, size - held, true);
    held = 0;
  };
  for await (const piece of source) {
    if (to.task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while sending a blob");
    hash.update(piece);
    size += piece.length;
    // The source may use its buffer again.
    pieces.push(Buffer.from(piece));
    held += piece.length;
    if (held >= Math.max(CHUNK, session?.least ?? 0)) await sendChunk(false);
  }
  const digest = hash.digest();
  const what = { digest, size };
  if (location === undefined) {
    await uploadKnown(to, Buffer.concat(pieces), what, undefined);
    return what;
  }
  if (held > 0) await sendChunk(true);
  await finish(to, location, what, Buffer.alloc(0));
  return what;
}

/** Begins an upload of a blob that has no name yet. */
export async function begin(to: Uploader): Promise<Session> {
  return (await start(to, undefined, undefined)) as Session;
}

/** Begins an upload; undefined where the blob was mounted instead. */
async function start(to: Uploader, digest: Digest | undefined, from: string | undefined): Promise<Session | undefined> {
  const query = digest && from ? `?mount=${digest}&from=${encodeURIComponent(from)}` : "";
  const rights = from ? [...to.rights, `repository:${from}:pull`] : to.rights;
  const what = `upload to ${to.repository}`;
  const ask = (path: string, with_: readonly string[]) =>
    to.client.ask(
      { method: "POST", to: path, rights: with_, accept: [201, 202], body: new Uint8Array(0), headers: { "content-length": "0" }, what },
      to.task,
    );
  const path = `/v2/${to.repository}/blobs/uploads/`;
  let answer: IncomingMessage;
  try {
    answer = await ask(path + query, rights);
  } catch (error) {
    // Who may not read the other repository can still send the bytes.
    if (query === "" || !(error instanceof Failure) || !["AUTH", "NOT_FOUND", "UNSUPPORTED"].includes(error.code)) throw error;
    answer = await ask(path, to.rights);
  }
  await forget(answer);
  if (answer.statusCode === 201 && query !== "") return undefined;
  const least = Number(answer.headers["oci-chunk-min-length"] ?? 0);
  return { location: locationOf(answer, to, undefined), least: least > 0 ? Math.min(least, CHUNK_MOST) : 0 };
}

/** Makes a blob of another repository appear here. False where the registry begins an upload instead, which is given up. */
export async function mountBlob(to: Uploader, digest: Digest, from: string): Promise<boolean> {
  const session = await start(to, digest, from);
  if (session === undefined) return true;
  try {
    await forget(
      await to.client.ask({ method: "DELETE", to: session.location, rights: to.rights, accept: [204, 202, 200], what: "upload" }, to.task),
    );
  } catch {
    // The registry forgets uploads that nobody ends.
  }
  return false;
}

/** The last request of an upload: all bytes, or none where they were sent before. */
export async function finish(to: Uploader, location: URL, what: Known, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const url = new URL(location);
  url.searchParams.set("digest", what.digest);
  const length = body instanceof Uint8Array ? body.length : what.size;
  const answer = await to.client.ask(
    {
      method: "PUT",
      to: url,
      rights: to.rights,
      headers: { "content-type": "application/octet-stream", "content-length": String(length) },
      body,
      accept: [201, 202, 204],
      what: `blob ${what.digest}`,
      answerMs: LIMITS.answerMs,
    },
    to.task,
  );
  await forget(answer);
  const told = answer.headers["docker-content-digest"];
  if (typeof told === "string" && told.startsWith("sha256:") && told !== what.digest)
    throw new Failure("DIGEST", `blob ${what.digest}: the registry took it for ${printable(told.slice(0, 100))}`);
}

/** Sends bytes from `at` on and gives the place for the next ones. */
async function patch(
  to: Uploader,
  location: URL,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  at: number,
  again: boolean,
  size = (body as Uint8Array).length,
): Promise<URL> {
  const end = at + size;
  try {
    const answer = await to.client.ask(
      {
        method: "PATCH",
        to: location,
        rights: to.rights,
        headers: {
          "content-type": "application/octet-stream",
          "content-length": String(size),
          "content-range": `${at}-${end - 1}`,
        },
        body,
        accept: [202, 201, 204],
        what: `upload to ${to.repository}`,
        answerMs: LIMITS.answerMs,
      },
      to.task,
    );
    await forget(answer);
    return locationOf(answer, to, location);
  } catch (problem) {
    if (!again || !(isPassing(problem) || (problem instanceof Refusal && problem.status === 416))) throw problem;
    // What was sent twice may have arrived the first time.
    const has = await statusOf(to, location);
    if (has?.bytes === end) return has.location;
    throw problem;
  }
}

/** How much of an upload the registry has. Undefined where it does not know it any more. */
async function statusOf(to: Uploader, location: URL): Promise<{ readonly bytes: number; readonly location: URL } | undefined> {
  try {
    const answer = await to.client.ask(
      { method: "GET", to: location, rights: to.rights, accept: [204, 202, 200], what: "upload" },
      to.task,
    );
    await forget(answer);
    const range = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.headers["range"] ?? "");
    return { bytes: range && range[1] !== "0" ? Number(range[1]) + 1 : 0, location: locationOf(answer, to, location) };
  } catch (error) {
    if (error instanceof Failure && error.code !== "INTERRUPTED") return undefined;
    throw error;
  }
}

/** Tries to go on with an upload that broke. False where it has to begin anew. */
async function resumed(to: Uploader, location: URL, source: Rereadable, what: Known): Promise<boolean> {
  const has = await statusOf(to, location);
  if (has === undefined || has.bytes === 0 || has.bytes >= what.size) return false;
  try {
    const rest = what.size - has.bytes;
    const next = await patch(to, has.location, source.from(has.bytes), has.bytes, false, rest);
    await finish(to, next, what, Buffer.alloc(0));
    return true;
  } catch (problem) {
    if (problem instanceof Refusal || isPassing(problem)) return false;
    throw problem;
  }
}

/** Where the next request of an upload goes. A registry may name another host: no credentials go there (client.ts). */
export function locationOf(answer: IncomingMessage, to: Uploader, before: URL | undefined): URL {
  const text = answer.headers.location;
  if (text === undefined && before) return before;
  try {
    return new URL(text as string, before ?? to.client.base);
  } catch (cause) {
    throw new Failure("NETWORK", `upload to ${to.repository}: the registry does not say where to`, { cause });
  }
}

async function gather(source: AsyncIterable<Uint8Array>, what: Known): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of counted(source, what)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

function check(bytes: Uint8Array, what: Known): void {
  if (bytes.length !== what.size || digestOf(bytes) !== what.digest)
    throw new Failure(
      "DIGEST",
      `blob ${what.digest} of ${what.size} bytes came with ${bytes.length} bytes and the digest ${digestOf(bytes)}`,
    );
}

/** Passes a blob through and refuses it at its end, or as soon as it is too long, where it is not the one announced. */
async function* counted(source: AsyncIterable<Uint8Array>, what: Known, verified = false): AsyncGenerator<Uint8Array> {
  const hash = verified ? undefined : hasher();
  let size = 0;
  let held: Uint8Array | undefined;
  for await (const piece of source) {
    size += piece.length;
    if (size > what.size) throw new Failure("DIGEST", `blob ${what.digest} has more than the ${what.size} bytes announced`);
    hash?.update(piece);
    if (size < what.size) yield piece;
    // The last piece waits for the verdict: without it the registry keeps nothing. The source may use its memory again.
    else if (piece.length > 0) held = Buffer.from(piece);
  }
  const digest = hash?.digest();
  if (size !== what.size) throw new Failure("DIGEST", `blob ${what.digest} has ${size} bytes where ${what.size} are announced`);
  if (digest !== undefined && digest !== what.digest) throw new Failure("DIGEST", `blob ${what.digest} came with the digest ${digest}`);
  if (held !== undefined) yield held;
}

/** A login that ended while a stream was being sent, or an upload that the registry does not know any more: it can begin anew. */
export function lost(problem: unknown): boolean {
  return problem instanceof Refusal && (problem.status === 401 || problem.status === 416 || problem.codes.includes("BLOB_UPLOAD_UNKNOWN"));
}

/** A login or an upload that was lost, as a broken line: worth another try. */
export function reset(problem: unknown): Failure {
  return new Failure("NETWORK", (problem as Failure).message, { cause: Object.assign(new Error(String(problem)), { code: "ECONNRESET" }) });
}
