import type { ClientRequest, IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";

/** An answer that is none of those hoped for. */
export class Refusal extends Failure {
  readonly status: number;
  /** Codes of the registry's error list: `MANIFEST_UNKNOWN`. Distribution spec, "Error Codes". */
  readonly codes: readonly string[];

  constructor(failure: Failure, status: number, codes: readonly string[]) {
    super(failure.code, failure.message, { cause: failure.cause, ...(failure.hint === undefined ? {} : { hint: failure.hint }) });
    this.status = status;
    this.codes = codes;
  }
}

/** A whole body of at most `limit` bytes, unpacked where it came as gzip. Throws LIMIT, NETWORK. */
export async function readBody(answer: IncomingMessage, limit: number, what: string): Promise<Buffer> {
  const tooLarge = () => new Failure("LIMIT", `${what}: the answer is larger than ${limit} bytes`);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    if (Number(answer.headers["content-length"] ?? 0) > limit) throw tooLarge();
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    answer.destroy();
    if (error instanceof Failure) throw error;
    throw new Failure("NETWORK", `${what}: the connection broke after ${size} bytes`, { cause: error });
  }
  const bytes = Buffer.concat(chunks);
  if (!/^(?:x-)?gzip$/i.test(answer.headers["content-encoding"] ?? "")) return bytes;
  const { gunzipSync } = await import("node:zlib");
  try {
    return gunzipSync(bytes, { maxOutputLength: limit });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw new Failure("NETWORK", `${what}: the answer says that it is gzip, but cannot be unpacked`, { cause });
  }
}

/** Reads and forgets a body, so that its connection can be used again; one that is long is cut off. */
export async function forget(answer: IncomingMessage): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LIMITS.registryErrorBytes) break;
    }
  } catch {
    // Nobody wanted it.
  }
  answer.destroy();
}

/** An answer of another status as the failure it is, with the registry's own words. `what` starts the sentence. */
export async function refusalOf(answer: IncomingMessage, what: string): Promise<Refusal> {
  const status = answer.statusCode ?? 0;
  let body: Buffer = Buffer.alloc(0);
  try {
    body = await readBody(answer, LIMITS.registryErrorBytes, what);
  } catch {
    // The status alone must do.
  }
  // A body that the server did not want to have to its end blocks the line.
  if ((answer as { req?: ClientRequest }).req?.writableFinished === false) answer.destroy();
  const errors = errorsOf(body);
  const words = errors.map(({ code, message }) => [code, message].filter(Boolean).join(": ")).join("; ");
  const shown = printable((words || reasonOf(answer)).slice(0, 300));
  const codes = errors.map(({ code }) => code);
  const message = `${what}: ${shown === "" ? `status ${status}` : `${shown} (status ${status})`}`;
  return new Refusal(failureOf(status, codes, message), status, codes);
}

function failureOf(status: number, codes: readonly string[], message: string): Failure {
  if (status === 401 || status === 403 || codes.includes("DENIED") || codes.includes("UNAUTHORIZED")) return new Failure("AUTH", message);
  if (status === 404) return new Failure("NOT_FOUND", message);
  if (status === 405 || codes.includes("UNSUPPORTED"))
    return new Failure("UNSUPPORTED", message, { hint: "This registry does not do that, or was set up not to." });
  if (codes.includes("DIGEST_INVALID") || codes.includes("SIZE_INVALID")) return new Failure("DIGEST", message);
  if (codes.some((code) => code.startsWith("MANIFEST_"))) return new Failure("MANIFEST", message);
  if (status === 413) return new Failure("LIMIT", message, { hint: "The registry does not take bodies of this size." });
  return new Failure("NETWORK", message);
}

/** `{"errors":[{"code","message","detail"}]}`; a text body that is no such document counts as a message. */
function errorsOf(body: Buffer): readonly { readonly code: string; readonly message: string }[] {
  try {
    const { errors } = JSON.parse(body.toString("utf8")) as { errors?: unknown };
    if (!Array.isArray(errors)) return [];
    return errors.slice(0, 3).map((one: { code?: unknown; message?: unknown } | null) => ({
      code: typeof one?.code === "string" && /^[A-Z_]{1,50}$/.test(one.code) ? one.code : "",
      message: typeof one?.message === "string" ? one.message : "",
    }));
  } catch {
    return [];
  }
}

/** What the status says in words, where the body does not. */
function reasonOf(answer: IncomingMessage): string {
  return answer.statusMessage ?? "";
}
