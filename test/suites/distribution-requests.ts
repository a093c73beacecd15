/** What the distribution API is asked with by tests that use no client of ours. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA } from "../../src/oci/media-type.ts";

/** What documents of the API hold, as far as the tests look. */
interface Told {
  readonly errors: readonly { readonly code: string }[];
  readonly tags: readonly string[];
  readonly repositories: readonly string[];
  readonly manifests: readonly {
    readonly digest: string;
    readonly artifactType: string;
    readonly annotations: { readonly about: string };
  }[];
}

/** What a registry answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  json(): Told;
}

export const OCTETS = { "content-type": "application/octet-stream" };

/** One request; redirects are followed by nobody. A path or a whole URL. */
export async function ask(
  host: string,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array,
): Promise<Answer> {
  const url = new URL(path, `http://${host}`);
  const response = await fetch(url, {
    method,
    headers,
    redirect: "manual",
    ...(body === undefined ? {} : { body: Buffer.from(body) as never }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, json: () => JSON.parse(bytes.toString("utf8")) as Told };
}

/** Where an answer says that something is. */
export function locationOf(answer: Answer, asked: string): string {
  const location = answer.headers.get("location");
  assert.ok(location, "a Location");
  return new URL(location, new URL(asked, "http://127.0.0.1")).href.replace(/^http:\/\/127\.0\.0\.1(?=\/)/, "");
}

/** The address at which an upload ends, with what it must come to. */
export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
}

/** Begins an upload; gives its address. */
export async function begin(host: string, repository: string): Promise<string> {
  const started = await ask(host, "POST", `/v2/${repository}/blobs/uploads/`);
  assert.equal(started.status, 202);
  return locationOf(started, `/v2/${repository}/blobs/uploads/`);
}

/** Pushes a blob by POST and PUT. */
export async function pushBlob(host: string, repository: string, bytes: Buffer): Promise<{ bytes: Buffer; digest: string; size: number }> {
  const digest = digestOf(bytes);
  const done = await ask(host, "PUT", withDigest(await begin(host, repository), digest), OCTETS, bytes);
  assert.equal(done.status, 201);
  return { bytes, digest, size: bytes.length };
}

/** The bytes of a manifest. */
export function manifestOf(
  config: { digest: string; size: number; mediaType?: string },
  layers: readonly { digest: string; size: number }[],
) {
  return {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: config.mediaType ?? MEDIA.config, digest: config.digest, size: config.size },
    layers: layers.map(({ digest, size }) => ({ mediaType: MEDIA.layer, digest, size })),
  };
}

/** Puts a manifest under a tag or digest. */
export async function putManifest(
  host: string,
  repository: string,
  word: string,
  bytes: Buffer,
  type: string = MEDIA.manifest,
): Promise<Answer> {
  return ask(host, "PUT", `/v2/${repository}/manifests/${word}`, { "content-type": type }, bytes);
}

/** Pushes an image with one layer, different at each call. */
export async function pushImage(host: string, repository: string, tag: string): Promise<{ bytes: Buffer; digest: string }> {
  const layer = await pushBlob(host, repository, randomBytes(1000));
  const config = await pushBlob(
    host,
    repository,
    Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [layer.digest] } })),
  );
  const bytes = Buffer.from(JSON.stringify(manifestOf(config, [layer])));
  const pushed = await putManifest(host, repository, tag, bytes);
  assert.equal(pushed.status, 201, pushed.bytes.toString());
  return { bytes, digest: digestOf(bytes) };
}
