import { lookup } from "node:dns";
import type { IncomingMessage } from "node:http";
import type { LookupFunction } from "node:net";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import { isInnerAddress } from "./address.ts";
import type { Connections } from "./connections.ts";
import { httpOf } from "./http.ts";
import { redactUrl } from "./redact.ts";

/** One request on the way: where it goes, and what the first URL allows. */
export interface Hop {
  readonly url: URL;
  /** Origin of the first URL: credentials go there and nowhere else. */
  readonly first: string;
  /** Whether a later hop may lead to an inner address: only when the first one did. */
  readonly inner: { allowed: boolean };
  readonly credentials: string | undefined;
}

/** Checks a URL, and where it follows `before` as a redirect, whether it may. Throws NETWORK; USAGE for what is no URL. */
export function nextHop(target: string, before?: Hop): Hop {
  let url: URL;
  try {
    url = new URL(target, before?.url);
  } catch (error) {
    throw new Failure(before ? "NETWORK" : "USAGE", `${redactUrl(target)} is not a URL`, { cause: error });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new Failure(
      "NETWORK",
      `${before ? `${redactUrl(before.url.href)} redirects to` : "cannot fetch"} ${redactUrl(url.href)}: only http and https are followed`,
    );
  }
  if (before === undefined) {
    const { username, password } = url;
    const basic = username || password ? `Basic ${Buffer.from(`${decode(username)}:${decode(password)}`).toString("base64")}` : undefined;
    return { url, first: url.origin, inner: { allowed: isInnerAddress(url.hostname) }, credentials: basic };
  }
  if (before.url.protocol === "https:" && url.protocol === "http:") {
    throw new Failure("NETWORK", `${redactUrl(before.url.href)} redirects from https to ${redactUrl(url.href)}`, {
      hint: "Give the http address itself if you trust it.",
    });
  }
  if (isInnerAddress(url.hostname) && !before.inner.allowed) throw innerRefused(before.url, url.hostname);
  return { ...before, url };
}

/**
 * Sends one GET and resolves with the response's head. Throws NETWORK with the socket's error as cause, INTERRUPTED.
 * Proxies are taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY in either case.
 */
export async function openResponse(
  hop: Hop,
  options: {
    readonly etag?: string;
    readonly authorization?: string;
    readonly identity?: boolean;
    readonly connections?: Connections;
    readonly stallMs?: number;
    readonly env?: NodeJS.ProcessEnv;
  },
  task: Task,
): Promise<IncomingMessage> {
  const { url } = hop;
  const { request, Agent } = httpOf(url.protocol);
  const env = options.env ?? process.env;
  const stallMs = options.stallMs ?? LIMITS.stallMs;
  const headers: Record<string, string> = {
    "user-agent": "nought",
    "accept-encoding": options.identity ? "identity" : "gzip",
    accept: "*/*",
  };
  if (options.etag !== undefined) headers["if-none-match"] = options.etag;
  const credentials = url.origin === hop.first ? (options.authorization ?? hop.credentials) : undefined;
  if (credentials !== undefined) headers.authorization = credentials;
  const target = {
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port,
    path: url.pathname + url.search,
  };
  // Whoever is sent on gets a connection of its own, because the guard looks at addresses when one is made.
  const shared = url.origin === hop.first ? options.connections : undefined;
  const agent = (await shared?.agentFor(url.protocol, env)) ?? new Agent({ keepAlive: false, proxyEnv: env });
  const guard = hasProxy(env, url.protocol) ? {} : { lookup: guardedLookup(hop) };
  return new Promise((resolve, reject) => {
    const sent = request({ ...target, ...guard, agent, headers, signal: task.signal, timeout: stallMs, maxHeaderSize: 64 << 10 });
    let head: IncomingMessage | undefined;
    sent.on("response", (response) => {
      head = response;
      resolve(response);
    });
    sent.on("timeout", () => (head ?? sent).destroy(Object.assign(new Error("stalled"), { code: "STALLED" })));
    sent.on("error", (error: NodeJS.ErrnoException) => {
      if (task.signal.aborted) reject(new Failure("INTERRUPTED", `${redactUrl(url.href)}: interrupted`, { cause: error }));
      else reject(error instanceof Failure ? error : connectionFailure(url, error, stallMs));
    });
    sent.end();
  });
}

/** Resolves names as usual, and refuses inner addresses behind the name that a public host redirects to. */
export function guardedLookup(hop: Hop): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, "", 0);
      const redirected = hop.url.origin !== hop.first;
      const inner = found.find(({ address }) => isInnerAddress(address));
      if (!redirected && inner) hop.inner.allowed = true;
      if (redirected && inner && !hop.inner.allowed) return callback(innerRefused(hop.url, hostname), "", 0);
      if (options.all) return (callback as unknown as (error: null, all: typeof found) => void)(null, found);
      callback(null, found[0]?.address ?? "", found[0]?.family ?? 4);
    });
  };
}

function innerRefused(from: URL, host: string): Failure {
  return new Failure("NETWORK", `${redactUrl(from.href)}: a public server sends us to the inner address ${printable(host)}`, {
    hint: "Give the final address itself if you trust it.",
  });
}

/** Whether the environment names a proxy for URLs of this protocol. */
export function hasProxy(env: NodeJS.ProcessEnv, protocol: string): boolean {
  const name = protocol === "https:" ? "https_proxy" : "http_proxy";
  return Boolean(env[name] || env[name.toUpperCase()]);
}

/** What a socket's error means to people: NETWORK with the error as cause. `stallMs` is the pause that was too long. */
export function connectionFailure(url: URL, error: NodeJS.ErrnoException, stallMs: number): Failure {
  const code = error.code ?? "";
  const why =
    code === "STALLED"
      ? `no byte for ${stallMs / 1000} seconds`
      : code === "ENOTFOUND"
        ? "the host name is not known"
        : code === "ECONNREFUSED"
          ? "connection refused"
          : /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|DEPTH_ZERO|EPROTO/.test(code)
            ? `the server's certificate is not accepted (${printable(code)})`
            : printable(code || error.message);
  return new Failure("NETWORK", `${redactUrl(url.href)}: ${why}`, { cause: error });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
