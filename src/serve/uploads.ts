import type { IncomingMessage } from "node:http";
import { readOnly } from "./blobs.ts";
import { answer, type Exchange } from "./exchange.ts";
import type { Holdings, WritableHoldings } from "./holdings.ts";
import { readContentRange } from "./range.ts";
import { Refusal } from "./refusal.ts";
import { digestIn, isRepository } from "./route.ts";
import type { Session, Sessions } from "./session.ts";

/**
 * POST to `uploads/`: begins an upload, or does all of it at once (`?digest=`), or takes a blob over from another repository
 * (`?mount=&from=`). Distribution-spec, "Pushing blobs" and "Mounting a blob from another repository".
 */
export async function beginUpload(exchange: Exchange, holdings: Holdings, sessions: Sessions, repository: string): Promise<void> {
  const write = writableOf(holdings);
  const { query, request } = exchange;
  const mount = query.get("mount");
  const from = query.get("from");
  if (mount !== null) {
    const digest = digestIn(mount);
    if (from !== null && !isRepository(from))
      throw new Refusal("NAME_INVALID", "the name of the repository to mount from is not well formed");
    if (from !== null && (await write.mount(repository, digest, from))) return stored(exchange, repository, digest);
  }
  const whole = query.get("digest");
  if (whole === null) return accepted(exchange, sessions.begin(repository));
  const digest = digestIn(whole);
  const session = sessions.begin(repository);
  try {
    await session.take(body(request));
    await session.finish(digest, (file) => write.adopt(repository, file, digest));
  } finally {
    session.cancel();
  }
  stored(exchange, repository, digest);
}

/** GET, PATCH, PUT and DELETE of an upload: how far it is, more bytes, the end, and never mind. */
export async function goOnWithUpload(
  exchange: Exchange,
  holdings: Holdings,
  sessions: Sessions,
  repository: string,
  id: string,
): Promise<void> {
  const write = writableOf(holdings);
  const { request, query } = exchange;
  const session = sessions.find(repository, id);
  switch (request.method) {
    case "GET":
    case "HEAD":
      return answer(exchange, 204, stateOf(session));
    case "DELETE":
      session.cancel();
      return answer(exchange, 204, {});
    case "PATCH":
      await session.take(inPlace(request, session));
      return accepted(exchange, session);
    default: {
      const text = query.get("digest");
      if (text === null) throw new Refusal("DIGEST_INVALID", "an upload ends with ?digest=");
      const digest = digestIn(text);
      await session.take(inPlace(request, session));
      await session.finish(digest, (file) => write.adopt(repository, file, digest));
      stored(exchange, repository, digest);
    }
  }
}

/** The bytes of a chunk, which has to begin where the upload stands and to be as long as it says. */
function inPlace(request: IncomingMessage, session: Session): AsyncIterable<Uint8Array> {
  const header = request.headers["content-range"];
  if (header === undefined) return body(request);
  const range = readContentRange(header);
  if (!range) throw new Refusal("BLOB_UPLOAD_INVALID", "Content-Range is of the form FIRST-LAST");
  const length = request.headers["content-length"];
  const differs = length !== undefined && Number(length) !== range.last - range.first + 1;
  // A range that does not fit its own length, or does not follow on what is there: distribution-spec wants 416.
  if (range.first !== session.size || differs)
    throw new Refusal("BLOB_UPLOAD_INVALID", `the upload stands at ${session.size} bytes`, { status: 416, headers: stateOf(session) });
  return body(request);
}

function body(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function accepted(exchange: Exchange, session: Session): void {
  answer(exchange, 202, stateOf(session));
}

/** `Range` names the last byte received; where there is none yet it is `0-0`, as docker's registry has it. */
function stateOf(session: Session): Record<string, string> {
  return {
    location: `/v2/${session.repository}/blobs/uploads/${session.id}`,
    range: `0-${Math.max(0, session.size - 1)}`,
    "docker-upload-uuid": session.id,
  };
}

function stored(exchange: Exchange, repository: string, digest: string): void {
  answer(exchange, 201, { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest });
}

function writableOf(holdings: Holdings): WritableHoldings {
  if (!holdings.write) throw readOnly();
  return holdings.write;
}
