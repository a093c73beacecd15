import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { hexOf } from "../oci/digest.ts";
import { Refusal } from "../registry/answer.ts";
import type { Task } from "../task/task.ts";
import { type CacheObjects, done, type ObjectBytes } from "./objects-cache.ts";
import { type S3Keys, s3Path, signS3 } from "./s3-sign.ts";
import type { Web } from "./web.ts";

/** A bucket, as BuildKit's `type=s3` names it. */
export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  readonly keys: S3Keys;
  /** Another service than Amazon's. */
  readonly endpoint?: URL;
  /** `ENDPOINT/BUCKET/KEY` and not `BUCKET.ENDPOINT/KEY`. */
  readonly pathStyle: boolean;
  readonly prefix: string;
  readonly manifestsPrefix: string;
  readonly blobsPrefix: string;
  /** The first is read, all are written. */
  readonly names: readonly string[];
}

/** sha256 of nothing: the payload of requests without a body. */
const NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/** Bytes that S3 takes in one request. */
const MOST = 5 * 2 ** 30;

/** The objects of a bucket: `PREFIX manifests/NAME` and `PREFIX blobs/DIGEST`, as BuildKit has them. */
export function s3Objects(options: S3Options, web: Web, now: () => Date = () => new Date()): CacheObjects {
  const { bucket, prefix, names } = options;
  const shown = `s3://${printable(`${bucket}/${prefix}${options.manifestsPrefix}${names[0]}`)}`;
  const blobKey = (digest: string) => `${prefix}${options.blobsPrefix}${digest}`;

  async function ask(
    method: "GET" | "HEAD" | "PUT",
    key: string,
    task: Task,
    accept: readonly number[],
    more: { readonly headers?: Readonly<Record<string, string>>; readonly bytes?: ObjectBytes } = {},
  ): Promise<IncomingMessage> {
    const url = urlOf(key, options);
    const { bytes } = more;
    const length = bytes === undefined ? {} : { "content-length": String(bytes.size) };
    const payload = bytes === undefined ? NOTHING : hexOf(bytes.digest);
    return web.ask(
      {
        method,
        url,
        headers: () => ({
          ...signS3({ method, url, headers: more.headers ?? {}, payload }, options.keys, options.region, now()),
          ...length,
        }),
        ...(bytes === undefined ? {} : { body: () => bytes.open() }),
        accept,
        what: `s3://${printable(`${bucket}/${key}`)}`,
      },
      task,
    );
  }

  async function put(key: string, bytes: ObjectBytes, task: Task): Promise<void> {
    if (bytes.size > MOST)
      throw new Failure("LIMIT", `s3://${printable(`${bucket}/${key}`)}: S3 takes ${MOST} bytes in one request, not ${bytes.size}`);
    await done(ask("PUT", key, task, [200, 201, 204], { bytes }));
  }

  return {
    shown,
    retryMs: web.retryMs,
    async hasBlob(digest, task) {
      try {
        await done(ask("HEAD", blobKey(digest), task, [200]));
        return true;
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return false;
        throw error;
      }
    },
    getBlob: (digest, headers, task) => ask("GET", blobKey(digest), task, [200, 206], { headers }),
    putBlob: (bytes, task) => put(blobKey(bytes.digest), bytes, task),
    async documents(task) {
      try {
        return [await ask("GET", `${prefix}${options.manifestsPrefix}${names[0]}`, task, [200])];
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return [];
        throw error;
      }
    },
    async putDocument(bytes, task) {
      for (const name of names) await put(`${prefix}${options.manifestsPrefix}${name}`, bytes, task);
    },
    close: () => web.close(),
  };
}

function urlOf(key: string, { bucket, region, endpoint, pathStyle }: S3Options): URL {
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  const base = url.pathname.replace(/\/$/, "");
  const byPath = endpoint !== undefined && pathStyle;
  if (!byPath) url.hostname = `${bucket}.${url.hostname}`;
  url.pathname = `${base}/${s3Path(byPath ? `${bucket}/${key}` : key)}`;
  return url;
}
