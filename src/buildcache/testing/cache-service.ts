/** The cache service of GitHub Actions for tests, and the storage behind it, in memory. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ghaObjects } from "../gha.ts";
import { objectsCache } from "../objects-cache.ts";
import { createWeb } from "../web.ts";

/** A token of a job whose holder may read (1) and write (2) these scopes. */
export const tokenFor = (...scopes: { Scope: string; Permission: number }[]) =>
  `e30.${Buffer.from(JSON.stringify({ ac: JSON.stringify(scopes) })).toString("base64url")}.signature`;
export const TOKEN = tokenFor({ Scope: "refs/heads/topic", Permission: 3 }, { Scope: "refs/heads/main", Permission: 1 });

/** The cache service, version 2, and the storage it sends its clients to: entries that are written once. */
export async function startCacheService() {
  const entries = new Map<string, { bytes: Buffer; whole: boolean }>();
  const log: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      const url = new URL(request.url ?? "", "http://x");
      const json = (status: number, value: object) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (url.pathname.startsWith("/storage/")) {
        const key = decodeURIComponent(url.pathname.slice("/storage/".length));
        log.push(`${request.method} ${key}`);
        if (url.searchParams.get("sig") !== "signed" || request.headers.authorization !== undefined) return response.writeHead(403).end();
        if (request.method === "PUT") {
          if (request.headers["x-ms-blob-type"] !== "BlockBlob") return response.writeHead(400).end();
          entries.set(key, { bytes: body, whole: false });
          return response.writeHead(201).end();
        }
        const bytes = entries.get(key)?.bytes ?? Buffer.alloc(0);
        return response.writeHead(200, { "content-length": bytes.length }).end(bytes);
      }
      const method = url.pathname.split("/").at(-1) ?? "";
      if (request.headers.authorization?.startsWith("Bearer e30.") !== true) return json(401, { msg: "who" });
      const { key, restore_keys: keys = [], size_bytes: size } = JSON.parse(body.toString("utf8"));
      log.push(`${method} ${key}`);
      const at = (name: string) => `http://${request.headers.host}/storage/${encodeURIComponent(name)}?sig=signed`;
      switch (method) {
        case "CreateCacheEntry":
          if (entries.has(key)) return json(409, { code: "already_exists", msg: "cache entry with the same key already exists" });
          return json(200, { ok: true, signed_upload_url: at(key) });
        case "FinalizeCacheEntryUpload": {
          const entry = entries.get(key);
          if (entry?.bytes.length !== Number(size)) return json(400, { msg: "size" });
          entry.whole = true;
          return json(200, { ok: true, entry_id: "1" });
        }
        default: {
          const names = [...entries].filter(([, one]) => one.whole).map(([name]) => name);
          const found = names.find((name) => name === key) ?? names.findLast((name) => keys.some((one: string) => name.startsWith(one)));
          return json(200, found ? { ok: true, signed_download_url: at(found), matched_key: found } : { ok: false });
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    url,
    entries,
    log,
    open: (token = TOKEN, scope = "buildkit") => objectsCache(ghaObjects({ url, token, scope }, createWeb({}, 1))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
