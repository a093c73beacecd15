/**
 * A proxy that stands before a registry and misbehaves: each answer may be spoiled by a fault drawn from a seeded generator, so that the
 * same seed and the same requests in the same order bring the same faults. It can also demand tokens that soon expire.
 */
import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export const FAULTS = [
  "cut", // the connection ends within the body
  "reset", // … and by RST, before the headers
  "cut request", // … while the client sends
  "500",
  "503",
  "429", // with a Retry-After of one of many forms
  "truncated", // fewer bytes, and a Content-Length that agrees
  "corrupted", // one byte is another
  "padded", // more bytes, and a Content-Length that agrees
  "wrong length", // a Content-Length beyond what comes
  "range ignored", // 200 and the whole
  "range lied about", // 206 with bytes from elsewhere
  "416",
  "expired token", // 401 for a good token
  "slow drip", // in small pieces with pauses
  "silence", // headers, and then nothing
  "no answer", // not even headers
  "wrong digest", // another Docker-Content-Digest
] as const;
export type Fault = (typeof FAULTS)[number];

export interface ProxyOptions {
  /** `127.0.0.1:PORT` of the registry. */
  readonly upstream: string;
  readonly seed: number;
  /** Share of requests that meet a fault, 0 to 1. */
  readonly rate: number;
  readonly faults?: readonly Fault[];
  /** Tokens are demanded; each is good for so many requests. */
  readonly tokens?: { readonly username: string; readonly password: string; readonly uses: number };
  /** Milliseconds that a silent connection is held before it is dropped. */
  readonly holdMs?: number;
}

export interface FaultyProxy {
  readonly host: string;
  /** What was done, in order: `GET /v2/a/blobs/sha256:… cut`. */
  readonly done: readonly string[];
  /** What clients sent, for a look whether a password went astray or more was asked for than needed. */
  readonly seen: readonly { readonly url: string; readonly authorization: string | undefined; readonly range: string | undefined }[];
  stop(): Promise<void>;
}

/** Numbers from 0 to 1 by mulberry32, a small generator with 32 bits of state. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const RETRY_AFTER = ["0", "1", "-1", "junk", "", "Thu, 01 Jan 1970 00:00:00 GMT"];

/** Starts a proxy on a free port of loopback. */
export async function startFaultyProxy(options: ProxyOptions): Promise<FaultyProxy> {
  const random = seeded(options.seed);
  const faults = options.faults ?? FAULTS;
  const done: string[] = [];
  const seen: { url: string; authorization: string | undefined; range: string | undefined }[] = [];
  const tokens = new Map<string, number>();
  let counter = 0;
  const holds = new Set<NodeJS.Timeout>();
  const hold = (response: ServerResponse) => {
    const timer = setTimeout(() => {
      holds.delete(timer);
      response.destroy();
    }, options.holdMs ?? 5_000);
    holds.add(timer);
  };

  const server = createServer((request, response) => {
    request.on("error", () => {});
    response.on("error", () => {});
    const url = request.url ?? "/";
    seen.push({ url, authorization: request.headers.authorization, range: request.headers.range });
    if (options.tokens && url.startsWith("/token")) return giveToken(request, response);
    const fault = random() < options.rate ? faults[Math.floor(random() * faults.length)] : undefined;
    const where = random();
    const fits = fault !== undefined && applies(fault, request);
    if (fits) done.push(`${request.method} ${url} ${fault}`);
    if (!tokenIsGood(request) || (fits && fault === "expired token" && options.tokens)) return challenge(response);
    serve(request, response, fits ? fault : undefined, where);
  });

  function applies(fault: Fault, request: IncomingMessage): boolean {
    if (fault === "cut request") return request.method === "PATCH" || request.method === "PUT" || request.method === "POST";
    if (fault === "range ignored" || fault === "range lied about" || fault === "416") return request.headers.range !== undefined;
    if (fault === "expired token") return options.tokens !== undefined;
    if (["cut", "truncated", "corrupted", "padded", "wrong length", "slow drip", "silence"].includes(fault))
      return request.method === "GET";
    return true;
  }

  function serve(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined, where: number): void {
    switch (fault) {
      case "500":
      case "503":
        return refuse(request, response, Number(fault), {});
      case "429":
        return refuse(request, response, 429, { "retry-after": RETRY_AFTER[Math.floor(where * RETRY_AFTER.length)] as string });
      case "416":
        return refuse(request, response, 416, {});
      case "reset":
        return void request.socket.resetAndDestroy();
      case "no answer":
        request.resume();
        return hold(response);
      case "cut request": {
        let left = Math.floor(where * Number(request.headers["content-length"] ?? 100_000));
        request.on("data", (chunk: Buffer) => {
          left -= chunk.length;
          if (left <= 0) request.socket.resetAndDestroy();
        });
        request.on("end", () => request.socket.resetAndDestroy());
        return;
      }
      default:
        pass(request, response, fault, where);
    }
  }

  function pass(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined, where: number): void {
    const [hostname, port] = options.upstream.split(":");
    const { authorization: _, host: __, ...headers } = request.headers;
    let skip = 0;
    if (fault === "range ignored") delete headers.range;
    if (fault === "range lied about") {
      headers.range = (headers.range as string).replace(/=(\d+)-/, (_all, from: string) => `=${Math.max(0, Number(from) - 7)}-`);
      skip = 7;
    }
    const onward = forward({ hostname, port, method: request.method, path: request.url, headers, agent: false }, (answer) => {
      const told: Record<string, string | string[] | undefined> = { ...answer.headers };
      // Absolute addresses of the registry would lead past the proxy.
      if (typeof told["location"] === "string") told["location"] = told["location"].replace(`http://${options.upstream}`, "");
      if (fault === "wrong digest") told["docker-content-digest"] = `sha256:${"0".repeat(64)}`;
      if (skip > 0 && request.headers.range && typeof told["content-range"] === "string")
        told["content-range"] = told["content-range"].replace(/ (\d+)-/, (_all, from: string) => ` ${Number(from) + skip}-`);
      spoil(answer, response, told, fault, where);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
    request.on("close", () => {
      if (!request.complete) onward.destroy();
    });
  }

  /** Sends an answer on, with what the fault makes of it. */
  function spoil(
    answer: IncomingMessage,
    response: ServerResponse,
    headers: Record<string, string | string[] | undefined>,
    fault: Fault | undefined,
    where: number,
  ): void {
    const status = answer.statusCode ?? 502;
    const changes: readonly (Fault | undefined)[] = ["cut", "truncated", "corrupted", "padded", "wrong length", "slow drip", "silence"];
    if (!changes.includes(fault)) {
      response.writeHead(status, headers as never);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
      return;
    }
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("error", () => response.destroy());
    answer.on("end", () => {
      let body = Buffer.concat(chunks);
      const at = Math.floor(where * body.length);
      const length = body.length;
      delete headers["transfer-encoding"];
      if (fault === "truncated") body = body.subarray(0, at);
      if (fault === "padded") body = Buffer.concat([body, Buffer.from("more than was asked for")]);
      if (fault === "corrupted" && length > 0) body[at] = (body[at] as number) ^ 0x20;
      const announced = fault === "wrong length" ? body.length + 1 + at : fault === "cut" ? length : body.length;
      response.writeHead(status, { ...headers, "content-length": announced } as never);
      if (fault === "silence") {
        response.flushHeaders();
        return hold(response);
      }
      if (fault === "slow drip") return void drip(response, body);
      if (fault === "cut" || fault === "wrong length") {
        response.write(fault === "cut" ? body.subarray(0, at) : body, () => response.socket?.destroy());
        return;
      }
      response.end(body);
    });
  }

  function tokenIsGood(request: IncomingMessage): boolean {
    if (!options.tokens) return true;
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const left = token === undefined ? 0 : (tokens.get(token) ?? 0);
    if (left <= 0) return false;
    tokens.set(token as string, left - 1);
    return true;
  }

  function challenge(response: ServerResponse): void {
    const realm = `http://${host}/token`;
    response.writeHead(401, {
      "www-authenticate": `Bearer realm="${realm}",service="faulty"`,
      "content-type": "application/json",
      connection: "close",
    });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"a token is needed"}]}');
  }

  function giveToken(request: IncomingMessage, response: ServerResponse): void {
    const { username, password, uses } = options.tokens as NonNullable<ProxyOptions["tokens"]>;
    request.resume();
    const right = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    if (request.headers.authorization !== right) {
      response.writeHead(401, { "content-type": "application/json" });
      return void response.end("{}");
    }
    const token = `token-${++counter}`;
    tokens.set(token, uses);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ token, expires_in: 300 }));
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${portOf(server)}`;
  return {
    host,
    done,
    seen,
    stop: () =>
      new Promise((resolve) => {
        for (const timer of holds) clearTimeout(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, headers: Record<string, string>): void {
  request.resume();
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end('{"errors":[{"code":"UNKNOWN","message":"not now"}]}');
}

/** The first bytes one at a time, the rest at once. */
async function drip(response: ServerResponse, body: Buffer): Promise<void> {
  const slow = Math.min(body.length, 40);
  for (let at = 0; at < slow; at++) {
    if (response.destroyed) return;
    response.write(body.subarray(at, at + 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  response.end(body.subarray(slow));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
