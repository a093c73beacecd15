import { createHash } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import type { Connections } from "./connections.ts";
import { nextHop, openResponse } from "./hop.ts";
import { redactUrl } from "./redact.ts";

/** Where the body goes. The store's BlobWriter is one. */
export interface ByteSink {
  write(chunk: Uint8Array): void | Promise<void>;
}

/** How to fetch; nothing is needed. */
export interface FetchOptions {
  /** The body must have this sha256, 64 hex digits (`ADD --checksum`). */
  readonly sha256?: string;
  /** ETag of the copy at hand; the answer may then be `notModified`. */
  readonly etag?: string;
  /** Value of an Authorization header. Like a URL's user name, it goes to the first host only. */
  readonly authorization?: string;
  readonly limit?: number;
  /** Asks for the bytes as they are stored, and takes them as they come: for files that are packed themselves and have a known sum. */
  readonly identity?: boolean;
  /** Connections that are shared with other requests; each has its own without. */
  readonly connections?: Connections;
  /** Milliseconds without a byte. */
  readonly stallMs?: number;
  /** Milliseconds before the first repetition; doubled each time. */
  readonly retryMs?: number;
  /** Where proxy variables are read; the process's own by default. */
  readonly env?: NodeJS.ProcessEnv;
  /** Id of the step that bytes are reported for. */
  readonly step?: string;
  /** What it is called where progress is shown; the address without. */
  readonly label?: string;
}

/** What a server answered. */
export interface Fetched {
  readonly notModified: boolean;
  /** 64 hex digits and bytes of the body; empty and 0 when not modified. */
  readonly sha256: string;
  readonly size: number;
  /** Without `W/`. */
  readonly etag?: string;
  /** Seconds since the epoch, from Last-Modified. BuildKit gives the file 0 when the server does not say. */
  readonly lastModified?: number;
  /** A safe file name the server proposed (Content-Disposition). ADD does not use it; contexts do. */
  readonly proposedName?: string;
}

const ATTEMPTS = 3;
const AGAIN = new Set([408, 429, 500, 502, 503, 504]);

/**
 * GETs an http or https URL into a sink, for `ADD URL` and remote contexts. Follows at most ten redirects, never from https
 * to http, to another scheme, or from a public host to an inner one. Repeats only while no byte of the body was handed on.
 * Throws NETWORK, LIMIT (body too large), DIGEST (`sha256` differs), INTERRUPTED. After a throw the sink holds rubbish.
 * BuildKit: source/http.
 */
export async function fetchUrl(url: string, sink: ByteSink, options: FetchOptions, task: Task): Promise<Fetched> {
  const shown = redactUrl(url);
  const response = await firstGoodResponse(url, options, task);
  const { headers } = response;
  const found = facts(headers);
  if (response.statusCode === 304) {
    response.destroy();
    return { ...found, notModified: true, sha256: "", size: 0 };
  }
  const body = await receive(response, sink, shown, options, task);
  if (options.sha256 !== undefined && body.sha256 !== options.sha256) {
    throw new Failure("DIGEST", `digest mismatch for ${shown}: sha256:${body.sha256} (expected: sha256:${options.sha256})`, {
      hint: "The server sent other bytes than the Dockerfile's --checksum says; nothing of them was kept.",
    });
  }
  return { ...found, notModified: false, ...body };
}

/** The name under which ADD stores a URL: the last part of its path, `__unnamed__` where there is none. */
export function nameFromUrl(url: string): string {
  const { pathname } = new URL(url);
  const parts = decodePath(pathname).split("/").filter(Boolean);
  return safeName(parts.at(-1)) ?? "__unnamed__";
}

async function firstGoodResponse(url: string, options: FetchOptions, task: Task): Promise<IncomingMessage> {
  let hop = nextHop(url);
  let attempt = 1;
  for (let redirects = 0; ; ) {
    let response: IncomingMessage | undefined;
    let problem: unknown;
    try {
      response = await openResponse(hop, options, task);
    } catch (error) {
      problem = error;
    }
    const status = response?.statusCode ?? 0;
    if (response !== undefined && status >= 300 && status < 400 && response.headers.location !== undefined) {
      response.destroy();
      redirects++;
      if (redirects > LIMITS.redirects) {
        throw new Failure("NETWORK", `${redactUrl(url)}: more than ${LIMITS.redirects} redirects`);
      }
      hop = nextHop(response.headers.location, hop);
      continue;
    }
    if (response !== undefined && ((status >= 200 && status < 300) || (status === 304 && options.etag !== undefined))) return response;
    response?.destroy();
    const transient = response === undefined ? isTransient(problem) : AGAIN.has(status);
    if (!transient || attempt >= ATTEMPTS) {
      if (response === undefined) throw problem;
      throw new Failure("NETWORK", `${redactUrl(hop.url.href)}: invalid response status ${status}`, {
        hint: attempt > 1 ? `Tried ${attempt} times.` : "Check the address.",
        cause: { status },
      });
    }
    task.emit({
      type: "note",
      text: `${redactUrl(hop.url.href)}: ${status === 0 ? "connection failed" : `status ${status}`}, trying again`,
    });
    await pause((options.retryMs ?? 500) * 2 ** (attempt - 1), response?.headers["retry-after"], task);
    attempt++;
  }
}

async function receive(response: IncomingMessage, sink: ByteSink, shown: string, options: FetchOptions, task: Task) {
  const limit = options.limit ?? LIMITS.downloadBytes;
  const declared = Number(response.headers["content-length"] ?? Number.NaN);
  const gzip = !options.identity && /^(?:x-)?gzip$/i.test(response.headers["content-encoding"] ?? "");
  if (!gzip && declared > limit) {
    response.destroy();
    throw tooLarge(shown, limit);
  }
  const hash = createHash("sha256");
  let size = 0;
  let told = 0;
  const tell = () => {
    told = size;
    const total = declared >= 0 && !gzip ? { total: declared } : {};
    task.emit({ type: "bytes", id: options.step ?? shown, label: options.label ?? shown, done: size, ...total });
  };
  let body: AsyncIterable<Buffer> = response;
  if (gzip) {
    const { createGunzip } = await import("node:zlib");
    body = response.on("error", (error) => gunzip.destroy(error)).pipe(createGunzip());
    const gunzip = body as ReturnType<typeof createGunzip>;
  }
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > limit) throw tooLarge(shown, limit);
      hash.update(chunk);
      await sink.write(chunk);
      if (size - told >= 1 << 20) tell();
    }
    if (told > 0 && told !== size) tell();
  } catch (error) {
    response.destroy();
    if (error instanceof Failure) throw error;
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `${shown}: interrupted`, { cause: error });
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw error;
    throw new Failure(
      "NETWORK",
      `${shown}: the connection broke after ${size} bytes${declared >= 0 ? ` of ${declared}` : ""} (${reason(error)})`,
      {
        cause: error,
      },
    );
  }
  if (!response.complete) throw new Failure("NETWORK", `${shown}: the connection broke after ${size} bytes`);
  return { sha256: hash.digest("hex"), size };
}

function facts(headers: IncomingHttpHeaders) {
  const etag = headers.etag?.replace(/^W\//, "");
  const time = Date.parse(headers["last-modified"] ?? "");
  const proposed = safeName(dispositionName(headers["content-disposition"]));
  return {
    ...(etag ? { etag } : {}),
    ...(Number.isNaN(time) ? {} : { lastModified: Math.floor(time / 1000) }),
    ...(proposed ? { proposedName: proposed } : {}),
  };
}

/** `filename=` of a Content-Disposition header (RFC 6266), quoted or not; the extended form wins. */
function dispositionName(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 4096) return undefined;
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1];
  if (extended !== undefined) return decodePath(extended);
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(header)?.[1]?.replace(/\\(.)/g, "$1");
  return quoted ?? /;\s*filename\s*=\s*([^\s;"]+)/i.exec(header)?.[1];
}

/** The last part of a name, refused when it could mean another place or would not fit a directory. */
function safeName(name: string | undefined): string | undefined {
  if (name === undefined || name.endsWith("/")) return undefined;
  const last = name.split("/").at(-1) ?? "";
  if (last === "" || last === "." || last === ".." || last.includes("\0") || Buffer.byteLength(last) > LIMITS.nameBytes) return undefined;
  return last;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function isTransient(problem: unknown): boolean {
  const code = ((problem as Failure).cause as NodeJS.ErrnoException | undefined)?.code;
  return code === "ECONNRESET" || code === "EPIPE" || code === "EAI_AGAIN" || code === "ETIMEDOUT";
}

/** Retry-After (seconds or a date, RFC 9110) capped at 60 s, else the given pause with up to a quarter more. */
async function pause(ms: number, retryAfter: string | undefined, task: Task): Promise<void> {
  const seconds = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : (Date.parse(retryAfter ?? "") - Date.now()) / 1000;
  const asked = seconds > 0 ? Math.min(seconds, 60) * 1000 : 0;
  try {
    await sleep(Math.max(asked, ms * (1 + Math.random() / 4)), undefined, { signal: task.signal });
  } catch {
    throw new Failure("INTERRUPTED", "interrupted while waiting to try again");
  }
}

function tooLarge(shown: string, limit: number): Failure {
  return new Failure("LIMIT", `${shown}: the body is larger than ${limit} bytes (limit downloadBytes)`);
}

function reason(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === "STALLED") return "no byte for too long";
  return printable((error as NodeJS.ErrnoException).code ?? String((error as Error).message));
}
