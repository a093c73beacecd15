import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isObject, type JsonObject, parseJson } from "../image/json.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Digest } from "../oci/digest.ts";
import { Refusal, readBody } from "../registry/answer.ts";
import type { Task } from "../task/task.ts";
import { type GhaScope, scopesOf } from "./gha-token.ts";
import { type CacheObjects, done, type ObjectBytes } from "./objects-cache.ts";
import type { Web } from "./web.ts";

/** The cache service of GitHub Actions, version 2, as BuildKit's `type=gha` names it. */
export interface GhaOptions {
  /** ACTIONS_RESULTS_URL. */
  readonly url: URL;
  /** ACTIONS_RUNTIME_TOKEN. */
  readonly token: string;
  /** A name that keeps caches of several images apart. */
  readonly scope: string;
}

const SERVICE = "twirp/github.actions.results.api.v1.CacheService";
/** What go-actions-cache, BuildKit's client, says of what is in an entry; entries of another version are not found. */
const VERSION = createHash("sha256").update("|go-actionscache-1.0").digest("hex");
/** Numbers that are tried for a document, where other jobs take them meanwhile. */
const TRIES = 10;

/**
 * Entries of the service never change once they are written. So a document is written under a name with a number, the next one each
 * time, and found by the beginning of its name. Blobs have their digest for a name.
 */
export function ghaObjects({ url: base, token, scope }: GhaOptions, web: Web): CacheObjects {
  const shown = `the GitHub Actions cache, scope ${printable(scope)}`;
  const blobKey = (digest: Digest) => `buildkit-blob-1-${digest}`;
  const indexKey = ({ scope: branch }: GhaScope) => `index-${scope}-1-${createHash("sha256").update(branch).digest("hex").slice(0, 8)}`;

  async function call(method: string, body: object, task: Task): Promise<JsonObject> {
    const bytes = Buffer.from(JSON.stringify(body));
    const url = new URL(`${base.href.replace(/\/$/, "")}/${SERVICE}/${method}`);
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "content-length": String(bytes.length) };
    const answer = await web.ask(
      { method: "POST", url, headers: () => headers, body: async () => bytes, accept: [200], what: `${shown}: ${method}` },
      task,
    );
    const value = parseJson(await readBody(answer, LIMITS.registryErrorBytes, shown), `${shown}: ${method}`);
    if (!isObject(value)) throw new Failure("NETWORK", `${shown}: ${method} answers what is no object`);
    return value;
  }

  /** Where an entry can be had: the one of that name, or else the newest whose name begins so. */
  async function find(key: string, task: Task): Promise<{ readonly url: URL; readonly key: string } | undefined> {
    const {
      ok,
      signed_download_url: url,
      matched_key: matched,
    } = await call("GetCacheEntryDownloadURL", { key, restore_keys: [key], version: VERSION }, task);
    if (ok !== true || typeof url !== "string" || typeof matched !== "string") return undefined;
    return matched.startsWith(key) ? { url: addressOf(url, shown), key: matched } : undefined;
  }

  /** False where the entry is there already, or is being written by another job. */
  async function write(key: string, bytes: ObjectBytes, task: Task): Promise<boolean> {
    let address: URL;
    try {
      const { ok, signed_upload_url: url } = await call("CreateCacheEntry", { key, version: VERSION }, task);
      if (ok !== true || typeof url !== "string") return false;
      address = addressOf(url, shown);
    } catch (error) {
      if (error instanceof Refusal && error.status === 409) return false;
      throw error;
    }
    const headers = {
      "content-length": String(bytes.size),
      "content-type": "application/octet-stream",
      "x-ms-blob-type": "BlockBlob",
      "x-ms-version": "2021-08-06",
    };
    await done(
      web.ask(
        { method: "PUT", url: address, headers: () => headers, body: () => bytes.open(), accept: [200, 201], what: `${shown}: ${key}` },
        task,
      ),
    );
    const { ok } = await call("FinalizeCacheEntryUpload", { key, size_bytes: bytes.size, version: VERSION }, task);
    if (ok !== true) throw new Failure("NETWORK", `${shown}: the service did not take ${key}`);
    return true;
  }

  const download = (url: URL, headers: Readonly<Record<string, string>>, task: Task): Promise<IncomingMessage> =>
    web.ask({ method: "GET", url, headers: () => headers, accept: [200, 206], what: shown }, task);

  return {
    shown,
    retryMs: web.retryMs,
    hasBlob: async (digest, task) => (await find(blobKey(digest), task)) !== undefined,
    async getBlob(digest, headers, task) {
      const found = await find(blobKey(digest), task);
      if (!found) throw new Failure("NOT_FOUND", `${shown}: blob ${digest} is not there any more`);
      return download(found.url, headers, task);
    },
    async putBlob(bytes, task) {
      await write(blobKey(bytes.digest), bytes, task);
    },
    async documents(task) {
      const answers: IncomingMessage[] = [];
      for (const one of scopesOf(token)) {
        const found = await find(indexKey(one), task);
        if (found) answers.push(await download(found.url, {}, task));
      }
      return answers;
    },
    async putDocument(bytes, task) {
      const own = scopesOf(token).findLast((one) => one.writable);
      if (!own) throw new Failure("AUTH", `${shown}: the token of this job may not write`);
      const key = `${indexKey(own)}#`;
      const last = Number(/^\d{1,9}$/.exec((await find(key, task))?.key.slice(key.length) ?? "0")?.[0] ?? 0);
      for (let number = last + 1; number <= last + TRIES; number++) if (await write(`${key}${number}`, bytes, task)) return;
      throw new Failure("NETWORK", `${shown}: other jobs are writing this cache all the time`);
    },
    close: () => web.close(),
  };
}

/** An address that the service gave. Throws NETWORK. */
function addressOf(text: string, shown: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new Failure("NETWORK", `${shown}: the service answers an address that is none`);
}
