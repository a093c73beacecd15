/** A registry in memory that does what a script says: for every request it may answer itself, spoil the answer, or let it be. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Failure } from "../src/kit/error.ts";
import type { Descriptor } from "../src/oci/descriptor.ts";
import { parseReference } from "../src/oci/reference.ts";
import type { Access, Credential, Location, Repository } from "../src/registry/face.ts";
import { openRepository } from "../src/registry/repository.ts";
import { createTask, type TaskEvent } from "../src/task/task.ts";
import { locationAt } from "./registry.ts";
import type { Sample } from "./sample-image.ts";

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  /** How often this method and path were asked for, this time included. */
  readonly nth: number;
  /** `manifest`, `blob`, `upload`, `ping` or `other`. */
  readonly kind: string;
}

/** Answers, or returns false to let the registry answer. */
export type Script = (asked: Asked, response: ServerResponse, request: IncomingMessage) => boolean | void | Promise<boolean | void>;

export interface Scripted {
  readonly host: string;
  readonly server: Server;
  readonly log: readonly Asked[];
  readonly blobs: Map<string, Buffer>;
  readonly tags: Map<string, string>;
  /** The repository `app` of it, through nought's client. */
  open(how?: OpenHow): Promise<Repository & { readonly notes: readonly string[] }>;
  close(): Promise<void>;
}

export interface OpenHow {
  readonly access?: Access;
  readonly who?: Credential;
  readonly stallMs?: number;
  readonly locations?: readonly Location[];
  readonly location?: Partial<Location>;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly mountFrom?: string;
  readonly ca?: string;
}

export const NAME = parseReference("registry.example/app:1");

/** Starts a registry with an image as `app:1`; what the script returns true for, or answered, is not answered again. */
export async function scripted(image: Sample | undefined, script: Script = () => false): Promise<Scripted> {
  const blobs = new Map<string, Buffer>(image?.blobs ?? []);
  const types = new Map<string, string>(image ? [[image.root.digest, image.root.mediaType]] : []);
  const tags = new Map<string, string>(image ? [["1", image.root.digest]] : []);
  const uploads = new Map<string, Buffer>();
  let sessions = 0;
  const log: Asked[] = [];
  const counts = new Map<string, number>();
  const server = createServer(async (request, response) => {
    response.on("error", () => {});
    const { method = "", url = "" } = request;
    const path = url.split("?")[0] as string;
    const key = `${method} ${path}`;
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    const asked: Asked = { method, url, headers: request.headers, nth, kind: kindOf(path) };
    log.push(asked);
    if (await script(asked, response, request)) return;
    if (response.writableEnded || response.destroyed) return;
    serve(asked, request, response);
  });
  const refuse = (response: ServerResponse, status: number, code: string) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ errors: [{ code, message: "said so" }] }));

  function serve(asked: Asked, request: IncomingMessage, response: ServerResponse): void {
    const path = asked.url.split("?")[0] as string;
    if (asked.kind === "ping") return void response.writeHead(200).end("{}");
    const [, kind, last = ""] = /^\/v2\/app\/(manifests|blobs|uploads)\/(.*)$/.exec(path.replace("/blobs/uploads/", "/uploads/")) ?? [];
    if (kind === "uploads") return upload(asked, request, response, last);
    if (kind === "manifests" && asked.method === "PUT") return put(request, response, last);
    const digest = kind === "manifests" ? (tags.get(last) ?? last) : last;
    const bytes = blobs.get(digest);
    if (bytes === undefined) return void refuse(response, 404, kind === "manifests" ? "MANIFEST_UNKNOWN" : "BLOB_UNKNOWN");
    const headers: Record<string, string> = {
      "docker-content-digest": digest,
      "content-type": kind === "manifests" ? (types.get(digest) ?? "application/octet-stream") : "application/octet-stream",
    };
    const range = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.range ?? "");
    const from = range ? Number(range[1]) : 0;
    const to = range?.[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
    const part = bytes.subarray(from, to);
    headers["content-length"] = String(part.length);
    if (range) headers["content-range"] = `bytes ${from}-${to - 1}/${bytes.length}`;
    response.writeHead(range ? 206 : 200, headers);
    response.end(asked.method === "HEAD" ? undefined : part);
  }

  function put(request: IncomingMessage, response: ServerResponse, last: string): void {
    collect(request, (body) => {
      const digest = digestOf(body);
      blobs.set(digest, body);
      types.set(digest, request.headers["content-type"] ?? "");
      if (!last.includes(":")) tags.set(last, digest);
      response.writeHead(201, { "docker-content-digest": digest }).end();
    });
  }

  function upload(asked: Asked, request: IncomingMessage, response: ServerResponse, id: string): void {
    const location = (name: string) => ({
      location: `/v2/app/blobs/uploads/${name}?state=x%2By`,
      range: `0-${Math.max(0, (uploads.get(name)?.length ?? 0) - 1)}`,
    });
    if (asked.method === "POST") {
      const fresh = String(++sessions);
      uploads.set(fresh, Buffer.alloc(0));
      return void response.writeHead(202, location(fresh)).end();
    }
    if (!uploads.has(id)) return void refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
    if (asked.method === "GET") return void response.writeHead(204, location(id)).end();
    const came: Buffer[] = [];
    request.on("data", (piece: Buffer) => came.push(piece));
    request.on("error", () => {});
    request.on("end", () => {
      uploads.set(id, Buffer.concat([uploads.get(id) as Buffer, ...came]));
      if (asked.method === "PATCH") return void response.writeHead(202, location(id)).end();
      const body = uploads.get(id) as Buffer;
      const digest = new URL(asked.url, "http://x").searchParams.get("digest") ?? "";
      if (digestOf(body) !== digest) return void refuse(response, 400, "DIGEST_INVALID");
      blobs.set(digest, body);
      uploads.delete(id);
      response.writeHead(201, { "docker-content-digest": digest }).end();
    });
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    server,
    log,
    blobs,
    tags,
    async open(how = {}) {
      const notes: string[] = [];
      const task = createTask((event: TaskEvent) => event.type === "note" && notes.push(event.text), how.signal);
      const place = await openRepository(
        NAME,
        {
          locate: async () => how.locations ?? [locationAt(host, "app", how.location)],
          credentials: { find: async () => how.who },
          env: how.env ?? {},
          retryMs: 1,
          access: how.access ?? "pull",
          ...(how.ca === undefined ? {} : { tls: async () => ({ ca: [how.ca as string] }) }),
          ...(how.stallMs === undefined ? {} : { stallMs: how.stallMs }),
          ...(how.mountFrom === undefined ? {} : { mountFrom: () => how.mountFrom }),
        },
        task,
      );
      return Object.assign(place, { notes });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function kindOf(path: string): string {
  if (path === "/v2/") return "ping";
  if (path.includes("/blobs/uploads/")) return "upload";
  return path.includes("/manifests/") ? "manifest" : path.includes("/blobs/") ? "blob" : "other";
}

function collect(request: IncomingMessage, done: (body: Buffer) => void): void {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("error", () => {});
  request.on("end", () => done(Buffer.concat(pieces)));
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Runs a scripted registry with an image for as long as `use` needs it and a place that reads from it. */
export async function withScripted(
  image: Sample,
  script: Script,
  use: (registry: Scripted, place: Repository & { notes: readonly string[] }) => Promise<void>,
  how: OpenHow = {},
): Promise<void> {
  const registry = await scripted(image, script);
  try {
    await using place = await registry.open(how);
    await use(registry, place);
  } finally {
    await registry.close();
  }
}

/** What somebody logs in with in tests; the password is looked for where it must not be. */
export const SECRET = "marker-5c1f0a";
export const who = { kind: "password", username: "user", password: SECRET } as const;

/** The same, and nothing that was told holds the password. */
export function withoutSecret(image: Sample): (script: Script, use: Parameters<typeof withScripted>[2], how?: OpenHow) => Promise<void> {
  return (script, use, how) =>
    withScripted(
      image,
      script,
      async (registry, place) => {
        await use(registry, place);
        assert.ok(!place.notes.join("\n").includes(SECRET), "A6: no secret in a message");
      },
      how,
    );
}

/** The bytes of a blob of a place, or a part of them. */
export async function readBlob(place: Repository, what: Descriptor, from?: number, to?: number): Promise<Buffer> {
  await using opened = await place.open(what);
  const pieces: Uint8Array[] = [];
  for await (const piece of opened.read(from, to)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** For assert.rejects: a failure with this code whose message says this. */
export const failing =
  (code: string, about = /./) =>
  (error: unknown) =>
    error instanceof Failure && error.code === code && about.test(error.message);
