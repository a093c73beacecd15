/** A bucket for tests: the part of S3 that a build cache uses, in memory. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { objectsCache } from "../objects-cache.ts";
import { type S3Options, s3Objects } from "../s3.ts";
import { signS3 } from "../s3-sign.ts";
import { createWeb } from "../web.ts";

export const S3_KEYS = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

/** A bucket that checks every signature as S3 does, by making it once more. */
export async function startBucket(trouble: (request: IncomingMessage, response: ServerResponse) => boolean = () => false) {
  const objects = new Map<string, Buffer>();
  const log: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      log.push(`${method} ${decodeURIComponent(url)}`);
      if (trouble(request, response)) return;
      const body = Buffer.concat(pieces);
      const payload = createHash("sha256").update(body).digest("hex");
      const date = String(headers["x-amz-date"]);
      const time = date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
      const range = headers.range === undefined ? {} : { range: headers.range };
      const expected = signS3(
        { method, url: new URL(url, `http://${headers.host}`), headers: range, payload },
        { ...S3_KEYS, ...(headers["x-amz-security-token"] ? { sessionToken: "token" } : {}) },
        "here-1",
        new Date(time),
      );
      if (headers.authorization !== expected.authorization || headers["x-amz-content-sha256"] !== payload)
        return response.writeHead(403).end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
      const name = decodeURIComponent(url);
      if (method === "PUT") {
        objects.set(name, body);
        return response.writeHead(200).end();
      }
      const found = objects.get(name);
      if (!found) return response.writeHead(404).end();
      const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
      const part = found.subarray(from);
      response.writeHead(headers.range ? 206 : 200, {
        "content-length": part.length,
        ...(headers.range ? { "content-range": `bytes ${from}-${found.length - 1}/${found.length}` } : {}),
      });
      response.end(method === "HEAD" ? undefined : part);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const open = (more: Partial<S3Options> = {}) =>
    objectsCache(
      s3Objects(
        {
          bucket: "box",
          region: "here-1",
          keys: S3_KEYS,
          endpoint,
          pathStyle: true,
          prefix: "some where/",
          manifestsPrefix: "manifests/",
          blobsPrefix: "blobs/",
          names: ["app"],
          ...more,
        },
        createWeb({}, 1),
      ),
    );
  return {
    endpoint,
    objects,
    log,
    open,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
