import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Failure } from "../kit/error.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import { deleteBlob, sendBlob } from "./blobs.ts";
import { answer, answerRefusal, type Exchange } from "./exchange.ts";
import type { Holdings } from "./holdings.ts";
import { isLoopback, type ListenAddress, ownHost } from "./listen.ts";
import { listCatalog, listReferrers, listTags } from "./lists.ts";
import { deleteManifest, sendManifest, takeManifest } from "./manifests.ts";
import { Refusal } from "./refusal.ts";
import { type Route, routeOf } from "./route.ts";
import { createSessions, type Sessions } from "./session.ts";
import { beginUpload, goOnWithUpload } from "./uploads.ts";

/** Milliseconds for a request's headers, and without a byte in either direction. */
const HEADERS_MS = 30_000;
const STALL_MS = 60_000;
/** Connections at once. */
const CONNECTIONS = 256;

/** One request that was answered, for a log. */
export interface Served {
  readonly method: string;
  /** Path and query as they came: untrusted. */
  readonly url: string;
  readonly status: number;
}

/** A registry at work. */
export interface RegistryServer {
  readonly host: string;
  readonly port: number;
  /** Ends all connections and forgets unfinished uploads. */
  close(): Promise<void>;
}

/**
 * Serves the distribution API (OCI distribution-spec 1.1) over plain HTTP on a loopback address. Requests that a web page of another
 * origin may have caused are refused. Throws USAGE for another address, NETWORK where the port is taken.
 */
export async function serveRegistry(
  holdings: Holdings,
  where: ListenAddress,
  log: (served: Served) => void = () => {},
): Promise<RegistryServer> {
  if (!isLoopback(where.host))
    throw new Failure("USAGE", `a registry is served on loopback only, not on ${where.host}`, {
      hint: "It knows neither passwords nor TLS. Put a proxy with both in front of it.",
    });
  const { createServer } = process.getBuiltinModule("node:http");
  const sessions = createSessions(holdings.write?.uploads ?? "");
  const server = createServer({ requestTimeout: 0, headersTimeout: HEADERS_MS, keepAliveTimeout: 15_000 }, (request, response) => {
    response.on("close", () => log({ method: request.method ?? "", url: request.url ?? "", status: response.statusCode }));
    void handle(request, response, holdings, sessions);
  });
  server.maxConnections = CONNECTIONS;
  server.setTimeout(STALL_MS);
  await listen(server, where);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : where.port;
  return {
    host: where.host,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          sessions.close();
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function handle(request: IncomingMessage, response: ServerResponse, holdings: Holdings, sessions: Sessions): Promise<void> {
  const [path = "", ...rest] = (request.url ?? "").split("?");
  const exchange: Exchange = { request, response, query: new URLSearchParams(rest.join("?")) };
  response.setHeader("docker-distribution-api-version", "registry/2.0");
  response.setHeader("x-content-type-options", "nosniff");
  try {
    checkOrigin(request);
    const route = routeOf(path);
    if (!route) throw new Refusal("UNSUPPORTED", "the distribution API has no such address", { status: 404 });
    await perform(exchange, route, holdings, sessions);
  } catch (error) {
    // The client went away in the middle of what it sent; there is nobody to tell.
    if (request.destroyed && !request.complete) return void response.destroy();
    answerRefusal(exchange, refusalOf(error));
  }
}

async function perform(exchange: Exchange, route: Route, holdings: Holdings, sessions: Sessions): Promise<void> {
  const method = exchange.request.method ?? "";
  const reading = method === "GET" || method === "HEAD";
  switch (route.at) {
    case "base":
      if (reading) return answer(exchange, 200, { "content-type": "application/json" }, "{}");
      break;
    case "catalog":
      if (reading) return listCatalog(exchange, holdings);
      break;
    case "tags":
      if (reading) return listTags(exchange, holdings, route.repository);
      break;
    case "referrers":
      if (reading) return listReferrers(exchange, holdings, route.repository, route.digest);
      break;
    case "blob":
      if (reading) return sendBlob(exchange, holdings, route.repository, route.digest);
      if (method === "DELETE") return deleteBlob(exchange, holdings, route.repository, route.digest);
      break;
    case "manifest":
      if (reading) return sendManifest(exchange, holdings, route.repository, route.word);
      if (method === "PUT") return takeManifest(exchange, holdings, route.repository, route.word);
      if (method === "DELETE") return deleteManifest(exchange, holdings, route.repository, route.word);
      break;
    case "uploads":
      if (method === "POST") return beginUpload(exchange, holdings, sessions, route.repository);
      break;
    case "upload":
      if (reading || method === "PATCH" || method === "PUT" || method === "DELETE")
        return goOnWithUpload(exchange, holdings, sessions, route.repository, route.session);
      break;
  }
  throw new Refusal("UNSUPPORTED", "this address does not know the method");
}

/**
 * A browser on this machine reaches loopback on behalf of any page: such requests carry Origin or Sec-Fetch-Site, and after a DNS
 * trick the page's own name as Host. Registry clients send none of these.
 */
function checkOrigin({ headers, rawHeaders }: IncomingMessage): void {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === "host").length;
  if (hosts !== 1 || !ownHost(headers.host ?? "")) throw new Refusal("DENIED", "this registry is asked by the name of the local host only");
  const site = headers["sec-fetch-site"];
  if (headers.origin !== undefined || (site !== undefined && site !== "none" && site !== "same-origin"))
    throw new Refusal("DENIED", "requests of web pages are refused");
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const full = ["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "") || (error instanceof Failure && error.code === "NO_SPACE");
  if (full) return new Refusal("UNKNOWN", "the disk of the registry is full", { status: 507 });
  return new Refusal("UNKNOWN", "the registry could not read or write its files");
}

function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const why = errnoOf(error) === "EADDRINUSE" ? "the port is in use" : (errnoOf(error) ?? error.message);
      reject(
        new Failure("NETWORK", `could not listen on ${host}, port ${port}: ${why}`, {
          cause: error,
          hint: "Choose another: --listen 127.0.0.1:0 takes a free one.",
        }),
      );
    });
    server.listen(port, host, () => resolve());
  });
}
