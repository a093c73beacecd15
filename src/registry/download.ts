import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { bodyOf } from "../net/intake.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { hasher } from "../oci/digest.ts";
import type { Bytes } from "../oci/place.ts";
import type { Task } from "../task/task.ts";
import { Refusal } from "./answer.ts";
import { createPatience } from "./pause.ts";

/** Asks for a blob from a byte on; status 200 or 206. */
export type Get = (headers: Readonly<Record<string, string>>) => Promise<IncomingMessage>;

/** Bytes after which a broken line counts as a new one. */
const PROGRESS = 1 << 20;

/**
 * A blob of a registry. Reading goes on where a line broke, with Range; a server that does not know ranges sends everything again, and
 * what was had already is passed over. Nothing is read beyond the announced size. Throws DIGEST, NETWORK after retries, NOT_FOUND.
 */
export function remoteBytes(what: Descriptor, get: Get, first: IncomingMessage | undefined, retryMs: number, task: Task): Bytes {
  let early = first;
  async function* stream(from: number, to: number, verify: boolean): AsyncGenerator<Uint8Array> {
    const end = Math.min(to, what.size);
    const whole = verify && from === 0 && end === what.size ? hasher() : undefined;
    let at = from;
    let mark = from;
    const patience = createPatience(retryMs, task, (problem) =>
      task.emit({ type: "note", text: `${(problem as Failure).message}; going on at byte ${at}` }),
    );
    let ranges = true;
    while (at < end) {
      try {
        const ready = at === 0 && end === what.size ? early : undefined;
        if (ready) early = undefined;
        const partial = at > 0 || end < what.size;
        const answer = ready ?? (await get(partial && ranges ? { range: `bytes=${at}-${end - 1}` } : {}));
        let skip = skipped(answer, at, what);
        if (skip === undefined) {
          answer.destroy();
          if (!ranges) throw new Failure("NETWORK", `blob ${what.digest}: the registry sends parts that nobody asked for`);
          ranges = false;
          continue;
        }
        for await (const chunk of body(answer, what, verify)) {
          const rest = skip >= chunk.length ? undefined : chunk.subarray(skip);
          skip -= Math.min(skip, chunk.length);
          if (!rest) continue;
          const piece = at + rest.length > end ? rest.subarray(0, end - at) : rest;
          if (piece.length < rest.length && end === what.size)
            throw new Failure("DIGEST", `blob ${what.digest}: more came than the ${what.size} bytes that were announced`);
          whole?.update(piece);
          at += piece.length;
          yield piece;
          if (at >= end && end < what.size) break;
        }
        if (at < end) throw broken(what, at, undefined);
      } catch (problem) {
        if (at - mark >= PROGRESS) {
          mark = at;
          patience.progress();
        }
        if (task.signal.aborted) throw new Failure("INTERRUPTED", `blob ${what.digest}: interrupted`, { cause: problem });
        // All of it is here; only the end of the line was not told.
        if (at >= end && problem instanceof Failure && problem.code === "NETWORK") break;
        if (ranges && problem instanceof Refusal && problem.status === 416) {
          ranges = false;
          continue;
        }
        if (!(await patience.again(problem, (problem as { retryAfter?: string }).retryAfter))) throw problem;
      }
    }
    const got = whole?.digest();
    if (got !== undefined && got !== what.digest)
      throw new Failure("DIGEST", `blob ${what.digest}: what the registry sent has the digest ${got}`);
  }
  return {
    size: what.size,
    read: (from = 0, to = what.size) => stream(from, to, true),
    unverified: (from) => stream(from, what.size, false),
    async [Symbol.asyncDispose]() {
      early?.destroy();
      early = undefined;
    },
  };
}

/** How many bytes of the answer were had already; undefined where it is a part that nobody asked for. Throws DIGEST for a wrong length. */
function skipped(answer: IncomingMessage, at: number, what: Descriptor): number | undefined {
  const length = answer.headers["content-length"];
  if (answer.statusCode === 206) {
    const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(answer.headers["content-range"] ?? "");
    if (!range || Number(range[1]) !== at) return undefined;
    if (range[3] !== "*" && Number(range[3]) !== what.size) throw wrongSize(answer, what, range[3] as string);
    return 0;
  }
  if (length !== undefined && Number(length) !== what.size) throw wrongSize(answer, what, length);
  return at;
}

function wrongSize(answer: IncomingMessage, what: Descriptor, told: string): Failure {
  answer.destroy();
  return new Failure("DIGEST", `blob ${what.digest}: the registry has ${told.slice(0, 20)} bytes where ${what.size} are announced`);
}

/** The body, with what breaks it as a failure. Pieces are the reader's for good where it says `keep`, else until it asks for the next. */
async function* body(answer: IncomingMessage, what: Descriptor, keep: boolean): AsyncGenerator<Buffer> {
  let size = 0;
  try {
    for await (const chunk of keep ? (answer as AsyncIterable<Buffer>) : bodyOf(answer)) {
      size += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw broken(what, size, error);
  }
}

function broken(what: Descriptor, size: number, error: unknown): Failure {
  const cause = error ?? Object.assign(new Error("cut"), { code: "ECONNRESET" });
  if (error instanceof Failure) return error;
  const stalled = (cause as NodeJS.ErrnoException).code === "STALLED";
  return new Failure(
    "NETWORK",
    `blob ${what.digest}: ${stalled ? "no byte came for too long" : `the connection broke after ${size} bytes`}`,
    {
      cause,
    },
  );
}
