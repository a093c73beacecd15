import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { createConnections } from "../net/connections.ts";
import { type ByteSink, fetchUrl } from "../net/fetch.ts";
import type { Task } from "../task/task.ts";
import type { AptConf } from "./apt-conf.ts";
import { authorizationFor, type MirrorLogin } from "./auth-conf.ts";

/** How to get files of an archive. */
export interface Transport extends Disposable {
  /**
   * Reads the file at `url` into a sink, at most `limit` bytes. With `etag`, undefined says that it is still the one we have. Throws
   * NETWORK
   * (also for a file that is not there: `isMissing`), LIMIT, INTERRUPTED.
   */
  get(
    url: string,
    sink: ByteSink,
    limit: number,
    task: Task,
    etag?: string,
  ): Promise<{ readonly size: number; readonly etag?: string } | undefined>;
}

export interface TransportOptions {
  readonly conf: AptConf;
  readonly logins: readonly MirrorLogin[];
  readonly env: NodeJS.ProcessEnv;
}

/** Milliseconds without a byte: mirrors are slow now and then, but not for a minute. */
const STALL = 30_000;

/** http and https through the proxies that apt's configuration or the environment name; `file:` and `copy:` from the disk. */
export function createTransport({ conf, logins, env }: TransportOptions): Transport {
  const connections = createConnections();
  return {
    [Symbol.dispose]: () => connections[Symbol.dispose](),
    async get(url, sink, limit, task, etag) {
      if (/^(?:file|copy):/i.test(url)) return fromDisk(url, sink, limit, task);
      const authorization = authorizationFor(url, logins);
      const options = {
        limit,
        connections,
        identity: true,
        stallMs: STALL,
        label: labelFor(url),
        env: proxyEnv(url, conf, env),
        ...(etag === undefined ? {} : { etag }),
        ...(authorization === undefined ? {} : { authorization }),
      };
      const got = await fetchUrl(url, sink, options, task);
      if (got.notModified) return undefined;
      return { size: got.size, ...(got.etag === undefined ? {} : { etag: got.etag }) };
    },
  };
}

/** What progress calls a file of an archive: a package by its file's name, an index by its place in the suite. */
function labelFor(url: string): string {
  const index = /\/dists\/(.*)\/by-hash\//.exec(url)?.[1];
  const name = index ?? url.slice(url.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The bytes of a small file, all in memory. */
export async function getBytes(
  transport: Transport,
  url: string,
  limit: number,
  task: Task,
  etag?: string,
): Promise<{ readonly bytes: Buffer; readonly etag?: string } | undefined> {
  const pieces: Buffer[] = [];
  const got = await transport.get(url, { write: (chunk) => void pieces.push(Buffer.from(chunk)) }, limit, task, etag);
  return got === undefined ? undefined : { bytes: Buffer.concat(pieces), ...(got.etag === undefined ? {} : { etag: got.etag }) };
}

/** Whether a failure says that the server has no such file (any more), and not that it could not be asked. */
export function isMissing(error: unknown): boolean {
  if (!(error instanceof Failure)) return false;
  const { status } = (error.cause ?? {}) as { status?: unknown };
  return status === 403 || status === 404 || status === 410;
}

/**
 * The environment in which a URL is fetched: apt's proxy for its scheme and host, where there is one (`Acquire::http::Proxy`, `::HOST`,
 * `DIRECT`; https falls back on http's), else the proxy variables. Throws USAGE for a proxy of another kind than http.
 * apt-transport-http(1).
 */
export function proxyEnv(url: string, conf: AptConf, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { protocol, hostname } = new URL(url);
  const schemes = protocol === "https:" ? ["https", "http"] : ["http"];
  const keys = schemes.flatMap((scheme) => [`acquire::${scheme}::proxy::${hostname.toLowerCase()}`, `acquire::${scheme}::proxy`]);
  const proxy = keys.map((key) => conf.get(key)).find((value) => value !== undefined && value !== "");
  if (proxy === undefined) return env;
  if (proxy.toUpperCase() === "DIRECT") return {};
  if (!/^https?:\/\//i.test(proxy)) {
    throw new Failure(
      "USAGE",
      `apt's configuration names the proxy ${printable(proxy.replace(/\/\/[^@/]*@/, "//"))}, which is not an http proxy`,
    );
  }
  const none = env["no_proxy"] ?? env["NO_PROXY"];
  return { http_proxy: proxy, https_proxy: proxy, ...(none === undefined ? {} : { no_proxy: none }) };
}

async function fromDisk(url: string, sink: ByteSink, limit: number, task: Task): Promise<{ readonly size: number }> {
  const path = fileURLToPath(url.replace(/^copy:/i, "file:"));
  let size = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 << 10, signal: task.signal }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw new Failure("LIMIT", `${printable(path)}: larger than ${limit} bytes`);
      await sink.write(chunk);
    }
  } catch (error) {
    if (task.signal.aborted) throw new Failure("INTERRUPTED", `${printable(path)}: interrupted`, { cause: error });
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR")
      throw new Failure("NETWORK", `${printable(path)}: no such file in the archive`, { cause: { status: 404 } });
    throw storageFailure(error, "could not read", path);
  }
  return { size };
}
