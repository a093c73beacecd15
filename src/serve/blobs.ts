import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import type { Digest } from "../oci/digest.ts";
import { readRange } from "../place/file-bytes.ts";
import { answer, type Exchange } from "./exchange.ts";
import type { Holdings } from "./holdings.ts";
import { multipart, type Part, readRangeHeader } from "./range.ts";
import { Refusal } from "./refusal.ts";

/** GET and HEAD of a blob, whole or a part: distribution-spec, "Pulling blobs"; RFC 9110 for ranges. */
export async function sendBlob(exchange: Exchange, holdings: Holdings, repository: string, digest: Digest): Promise<void> {
  const { request, response } = exchange;
  const found = await holdings.openBlob(repository, digest);
  if (!found) throw new Refusal("BLOB_UNKNOWN", `the repository has no blob ${digest}`);
  const { fd, size } = found;
  try {
    const etag = `"${digest}"`;
    const headers = {
      "content-type": "application/octet-stream",
      "docker-content-digest": digest,
      "accept-ranges": "bytes",
      "cache-control": "max-age=31536000",
      etag,
    };
    if (request.headers["if-none-match"] === etag) return answer(exchange, 304, headers);
    // A part of something else than what the client has begun with is of no use to it.
    const condition = request.headers["if-range"];
    const parts = readRangeHeader(condition === undefined || condition === etag ? request.headers.range : undefined, size);
    if (parts === "none") {
      throw new Refusal("SIZE_INVALID", `the blob has ${size} bytes`, { status: 416, headers: { "content-range": `bytes */${size}` } });
    }
    const [only = { from: 0, to: size }, ...more] = parts === "whole" ? [] : parts;
    if (more.length > 0) return await sendParts(exchange, fd, [only, ...more], size, headers);
    response.writeHead(parts === "whole" ? 200 : 206, {
      ...headers,
      "content-length": String(only.to - only.from),
      ...(parts === "whole" ? {} : { "content-range": `bytes ${only.from}-${only.to - 1}/${size}` }),
    });
    if (request.method !== "HEAD") await sendPart(response, fd, only);
    response.end();
  } finally {
    closeSync(fd);
  }
}

/** Several parts at once, as clients ask for that fetch a layer's table of contents and only the files they lack (zstd:chunked). */
async function sendParts(
  { request, response }: Exchange,
  fd: number,
  parts: readonly Part[],
  size: number,
  headers: Record<string, string>,
): Promise<void> {
  const boundary = randomBytes(15).toString("hex");
  const { heads, tail } = multipart(parts, size, boundary);
  const framing = heads.reduce((sum, one) => sum + one.length, tail.length);
  response.writeHead(206, {
    ...headers,
    "content-type": `multipart/byteranges; boundary=${boundary}`,
    "content-length": String(parts.reduce((sum, { from, to }) => sum + to - from, framing)),
  });
  if (request.method !== "HEAD") {
    for (const [at, part] of parts.entries()) {
      response.write(heads[at]);
      await sendPart(response, fd, part);
    }
    response.write(tail);
  }
  response.end();
}

async function sendPart(response: Exchange["response"], fd: number, { from, to }: Part): Promise<void> {
  for await (const chunk of readRange(fd, from, to)) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await writable(response);
  }
}

/** Waits until the client has taken what was written, or is gone. */
function writable(response: Exchange["response"]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    if (response.destroyed) done();
  });
}

/** DELETE of a blob: distribution-spec, "Deleting Blobs". */
export async function deleteBlob(exchange: Exchange, holdings: Holdings, repository: string, digest: Digest): Promise<void> {
  if (!holdings.write) throw readOnly();
  if (!(await holdings.write.deleteBlob(repository, digest))) throw new Refusal("BLOB_UNKNOWN", `the repository has no blob ${digest}`);
  answer(exchange, 202, {});
}

/** What every change is answered with by a registry that is served read-only. */
export function readOnly(): Refusal {
  return new Refusal("UNSUPPORTED", "this registry is read-only");
}
