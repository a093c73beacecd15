import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { SecureContext } from "node:tls";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Task } from "../task/task.ts";
import { connectionFailure, guardedLookup, type Hop, hasProxy } from "./hop.ts";
import { httpOf } from "./http.ts";
import { readingInBlocks, waitsForUs } from "./intake.ts";
import { redactUrl } from "./redact.ts";

/** Whom we trust on the other side and who we are: PEM texts. */
export interface TlsFacts {
  /** Authorities beside those that are known anyway. */
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  /** False accepts any certificate: only for a host that was configured so. */
  readonly verify: boolean;
}

/** One request. Redirects, answers and repetitions are the caller's business. */
export interface Outgoing {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Where to, and whether its name may lead to an inner address (net/hop.ts). */
  readonly hop: Hop;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as it comes; a body of unknown length goes in chunks unless the headers say content-length. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly tls?: TlsFacts;
  /** Milliseconds the server may be silent once it has the whole body. */
  readonly answerMs?: number;
}

export interface WireOptions {
  /** Where proxy variables are read. */
  readonly env: NodeJS.ProcessEnv;
  readonly stallMs?: number;
  readonly connectMs?: number;
}

/** Connections that are kept for the next request. */
export interface Wire {
  /** Resolves with the head of the answer. Throws NETWORK, AUTH (certificate), INTERRUPTED, and what the body throws. */
  send(out: Outgoing, task: Task): Promise<IncomingMessage>;
  close(): void;
}

/** Connections at once to one server. */
const SOCKETS = 16;

/** Opens no connection yet. Proxies are taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY in either case. */
export function createWire(options: WireOptions): Wire {
  const agents = new Map<string, Agent>();
  const contexts = new Map<string, Promise<SecureContext>>();
  /** Set once the authorities that Node brings were not enough: then those of the system count too, as with other tools. */
  let system = false;

  async function agentFor(secure: boolean, tls: TlsFacts): Promise<Agent> {
    const key = secure ? JSON.stringify([system, tls]) : "plain";
    let agent = agents.get(key);
    if (agent) return agent;
    const common = { keepAlive: true, maxSockets: SOCKETS, proxyEnv: options.env, scheduling: "lifo" } as const;
    if (secure) {
      const { Agent: Secure } = process.getBuiltinModule("node:https");
      const context = contexts.get(key) ?? secureContext(tls, system);
      contexts.set(key, context);
      agent = new Secure({ ...common, secureContext: await context, rejectUnauthorized: tls.verify });
      if (!hasProxy(options.env, "https:")) readingInBlocks(agent);
    } else {
      const { Agent: Plain } = process.getBuiltinModule("node:http");
      agent = new Plain(common);
      if (!hasProxy(options.env, "http:")) readingInBlocks(agent);
    }
    const other = agents.get(key);
    if (other) return other;
    agents.set(key, agent);
    return agent;
  }

  async function once(out: Outgoing, task: Task): Promise<IncomingMessage> {
    const tls = out.tls ?? { verify: true };
    const agent = await agentFor(out.hop.url.protocol === "https:", tls);
    return exchange(out, agent, options, task);
  }

  return {
    async send(out, task) {
      try {
        return await once(out, task);
      } catch (error) {
        const again = out.body === undefined || out.body instanceof Uint8Array;
        const cause = (error as Failure).cause as NodeJS.ErrnoException | undefined;
        // A connection that was kept may have been closed by the server in this very moment.
        if (again && cause !== undefined && (cause as { reused?: boolean }).reused && !task.signal.aborted) return once(out, task);
        if (again && !system && isUntrusted(error) && (await systemHasMore())) {
          system = true;
          return once(out, task);
        }
        throw error;
      }
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}

/** Whether an error says that a server's certificate is not accepted. */
export function isUntrusted(error: unknown): boolean {
  const code = ((error as Failure | undefined)?.cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  return /^(?:CERT_|ERR_TLS_CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_)/.test(code);
}

async function systemHasMore(): Promise<boolean> {
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return getCACertificates("system").length > 0;
}

async function secureContext(tls: TlsFacts, system: boolean): Promise<SecureContext> {
  const { createSecureContext, getCACertificates } = process.getBuiltinModule("node:tls");
  const more = tls.ca !== undefined || system;
  return createSecureContext({
    ...(more ? { ca: [...getCACertificates("default"), ...(system ? getCACertificates("system") : []), ...(tls.ca ?? [])] } : {}),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  });
}

async function exchange(out: Outgoing, agent: Agent, options: WireOptions, task: Task): Promise<IncomingMessage> {
  const { url } = out.hop;
  const { request } = httpOf(url.protocol);
  const stallMs = options.stallMs ?? LIMITS.stallMs;
  const guard = hasProxy(options.env, url.protocol) ? {} : { lookup: guardedLookup(out.hop) };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request({
    ...guard,
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port,
    path: url.pathname + url.search,
    method: out.method,
    headers: { "user-agent": "nought", ...out.headers },
    agent,
    signal: task.signal,
    timeout: stallMs,
    maxHeaderSize: 64 << 10,
  });
  let head: IncomingMessage | undefined;
  const state = { ourTurn: false };
  const connecting = setTimeout(() => sent.destroy(coded("ETIMEDOUT", "no connection")), options.connectMs ?? LIMITS.connectMs);
  sent.on("socket", (socket) => {
    if (!socket.connecting) return clearTimeout(connecting);
    socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => clearTimeout(connecting));
  });
  sent.on("response", (response) => {
    clearTimeout(connecting);
    head = response;
    resolve(response);
  });
  sent.on("timeout", () => {
    // Not the server's silence when bytes lie here that nobody has taken yet, or when we have none to send.
    if (state.ourTurn || (head !== undefined && waitsForUs(head))) sent.socket?.setTimeout(stallMs);
    else (head ?? sent).destroy(coded("STALLED", "stalled"));
  });
  sent.on("error", (error: NodeJS.ErrnoException) => {
    clearTimeout(connecting);
    if (sent.reusedSocket && error.code === "ECONNRESET" && head === undefined) Object.assign(error, { reused: true });
    if (task.signal.aborted) reject(new Failure("INTERRUPTED", `${redactUrl(url.href)}: interrupted`, { cause: error }));
    else reject(error instanceof Failure ? error : told(url, error, stallMs));
  });
  void transmit(sent, out.body, state, () => sent.setTimeout(out.answerMs ?? stallMs)).catch((error: Error) => {
    reject(error);
    sent.destroy(error);
  });
  return promise;
}

/** Writes the body no faster than the server takes it. Stops quietly where the server has answered or gone. */
async function transmit(sent: ClientRequest, body: Outgoing["body"], state: { ourTurn: boolean }, done: () => void): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    sent.end(body, done);
    return;
  }
  const { promise: over, resolve: stop } = Promise.withResolvers<void>();
  let answered = false;
  sent.once("close", stop);
  sent.once("response", () => {
    answered = true;
    stop();
  });
  const source = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      state.ourTurn = true;
      const next = await source.next();
      state.ourTurn = false;
      if (next.done) break;
      if (answered || sent.destroyed) return;
      // Until it is out of our hands: the source may use its memory again.
      const { value } = next;
      if (value.length === 0) continue;
      await Promise.race([new Promise<void>((resolve) => sent.write(value, () => resolve())), over]);
      if (answered || sent.destroyed) return;
    }
    sent.end(done);
  } finally {
    state.ourTurn = false;
    await source.return?.();
  }
}

function told(url: URL, error: NodeJS.ErrnoException, stallMs: number): Failure {
  const failure = connectionFailure(url, error, stallMs);
  if (!isUntrusted(failure)) return failure;
  return new Failure("AUTH", failure.message, {
    cause: error,
    hint: `Put the authority's certificate into /etc/containers/certs.d/${url.host}/ca.crt if you trust it.`,
  });
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
