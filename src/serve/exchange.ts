import type { IncomingMessage, ServerResponse } from "node:http";
import { Refusal } from "./refusal.ts";

/** Bytes of a request that nobody wanted which are still read, so that the client gets to see the answer. */
const DRAIN = 16 << 20;

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

/** Answers with a small body, or without one. HEAD gets the headers alone. */
export function answer({ request, response }: Exchange, status: number, headers: Record<string, string>, body?: string | Uint8Array): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const length = status === 204 || status === 304 ? {} : { "content-length": String(bytes?.length ?? 0) };
  response.writeHead(status, { ...length, ...headers });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** Answers with a JSON document. */
export function answerJson(exchange: Exchange, value: unknown, headers: Record<string, string> = {}): void {
  answer(exchange, 200, { "content-type": "application/json", ...headers }, JSON.stringify(value));
}

/** Answers with an error in the form of the distribution-spec, "Error Codes". */
export function answerRefusal(exchange: Exchange, refusal: Refusal): void {
  if (exchange.response.headersSent) return void exchange.response.destroy();
  const body = JSON.stringify({ errors: [{ code: refusal.code, message: refusal.message }] });
  const rest = exchange.request.complete ? {} : { connection: "close" };
  answer(exchange, refusal.status, { "content-type": "application/json", ...rest, ...refusal.headers }, body);
  drain(exchange.request);
}

function drain(request: IncomingMessage): void {
  if (request.complete) return;
  let left = DRAIN;
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.on("error", () => {});
}

/** A whole small body. Throws Refusal above `limit` bytes; the connection's end before the body's rejects. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new Refusal("SIZE_INVALID", `the body is larger than ${limit} bytes`, { status: 413 });
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  const iterator = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of iterator) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
