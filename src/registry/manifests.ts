import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, isDigest } from "../oci/digest.ts";
import { isIndexType, isManifestType, MEDIA } from "../oci/media-type.ts";
import type { Task } from "../task/task.ts";
import { forget, Refusal, readBody } from "./answer.ts";
import type { Client } from "./client.ts";

/** What we can read, best first. */
const ACCEPT = [MEDIA.index, MEDIA.manifest, MEDIA.dockerIndex, MEDIA.dockerManifest].join(", ");

/** A document with its bytes. */
export interface Held {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Where a request about documents goes, and how it is called in messages. */
export interface Asked {
  readonly client: Client;
  readonly repository: string;
  readonly rights: readonly string[];
}

/**
 * Which document a tag or digest stands for, without fetching it where the registry tells (HEAD). Undefined where it is not there. Throws
 * DIGEST, MANIFEST (schema 1, or nothing that is a manifest), LIMIT. Distribution spec, "Checking if content exists".
 */
export async function headManifest(asked: Asked, reference: string, task: Task): Promise<Descriptor | undefined> {
  const { client, repository, rights } = asked;
  const what = `manifest ${nameOf(repository, reference)}`;
  let answer: IncomingMessage;
  try {
    const to = `/v2/${repository}/manifests/${reference}`;
    answer = await client.ask({ method: "HEAD", to, rights, headers: { accept: ACCEPT }, accept: [200], what }, task);
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return undefined;
    // Some do not know HEAD for manifests.
    if (error instanceof Refusal && [400, 405, 501].includes(error.status)) return (await getManifest(asked, reference, task))?.descriptor;
    throw error;
  }
  await forget(answer);
  const digest = answer.headers["docker-content-digest"];
  const size = Number(answer.headers["content-length"] ?? Number.NaN);
  const mediaType = typeOf(answer);
  if (isDigest(reference) && isDigest(digest) && digest !== reference) throw otherDigest(what, digest, reference);
  if (!isDigest(digest) || !Number.isSafeInteger(size) || size <= 0 || mediaType === undefined)
    return (await getManifest(asked, reference, task))?.descriptor;
  checkType(mediaType, what);
  if (size > LIMITS.manifestBytes) throw tooLarge(what, size);
  return { mediaType, digest, size };
}

/**
 * A document itself, its digest checked against what was asked for and what the registry calls it; one that was cut or spoiled on its way
 * is asked for once more. Undefined where it is not there.
 */
export async function getManifest(asked: Asked, reference: string, task: Task): Promise<Held | undefined> {
  const { client, repository, rights } = asked;
  const what = `manifest ${nameOf(repository, reference)}`;
  const to = `/v2/${repository}/manifests/${reference}`;
  for (let again = true; ; again = false) {
    let answer: IncomingMessage;
    try {
      answer = await client.ask({ method: "GET", to, rights, headers: { accept: ACCEPT }, accept: [200], what }, task);
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return undefined;
      throw error;
    }
    try {
      return await receive(answer, reference, what);
    } catch (error) {
      const passing = error instanceof Failure && (error.code === "DIGEST" || error.code === "NETWORK");
      if (!again || !passing || task.signal.aborted) throw error;
      task.emit({ type: "note", text: `${error.message}; trying once more` });
    }
  }
}

async function receive(answer: IncomingMessage, reference: string, what: string): Promise<Held> {
  const told = answer.headers["docker-content-digest"];
  const bytes = await readBody(answer, LIMITS.manifestBytes, what);
  const digest = digestOf(bytes);
  if (isDigest(reference) && digest !== reference) throw otherDigest(what, digest, reference);
  if (isDigest(told) && told !== digest) throw otherDigest(what, digest, told);
  const mediaType = typeOf(answer) ?? sniff(bytes);
  checkType(mediaType, what);
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** Stores a document under a tag or its digest. Gives the subject that the registry has entered it under. Throws DIGEST, MANIFEST. */
export async function putManifest(asked: Asked, reference: string, held: Held, task: Task): Promise<string | undefined> {
  const { client, repository, rights } = asked;
  const what = `manifest ${nameOf(repository, reference)}`;
  const answer = await client.ask(
    {
      method: "PUT",
      to: `/v2/${repository}/manifests/${reference}`,
      rights,
      headers: { "content-type": held.descriptor.mediaType, "content-length": String(held.bytes.length) },
      body: held.bytes,
      accept: [201, 202, 200, 204],
      what,
      answerMs: LIMITS.answerMs,
    },
    task,
  );
  await forget(answer);
  const told = answer.headers["docker-content-digest"];
  if (isDigest(told) && told !== held.descriptor.digest) throw otherDigest(what, told, held.descriptor.digest);
  const subject = answer.headers["oci-subject"];
  return typeof subject === "string" ? subject : undefined;
}

/** `app:1` or `app@sha256:…`. */
function nameOf(repository: string, reference: string): string {
  return `${repository}${reference.includes(":") ? "@" : ":"}${reference}`;
}

/** The media type of an answer without parameters; undefined where it says nothing of use. */
function typeOf(answer: IncomingMessage): string | undefined {
  const type = (answer.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return type === "" || type === "application/json" || type === "text/plain" || type === "application/octet-stream" ? undefined : type;
}

/** The media type that a document gives itself, or that its fields show. Strict reading comes later (image/manifest.ts). */
function sniff(bytes: Uint8Array): string {
  try {
    const document = JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown> | null;
    if (typeof document?.["mediaType"] === "string") return document["mediaType"];
    if (document?.["schemaVersion"] === 1) return "application/vnd.docker.distribution.manifest.v1+json";
    return Array.isArray(document?.["manifests"]) ? MEDIA.index : MEDIA.manifest;
  } catch {
    return "application/json";
  }
}

function checkType(mediaType: string, what: string): void {
  if (isManifestType(mediaType) || isIndexType(mediaType)) return;
  if (mediaType.startsWith("application/vnd.docker.distribution.manifest.v1+"))
    throw new Failure("MANIFEST", `${what} is of docker's schema 1, which registries have given up`, {
      hint: "Push the image again with a current tool, and pull that.",
    });
  throw new Failure("MANIFEST", `${what}: the registry sent ${printable(mediaType.slice(0, 100))}, which is no manifest`);
}

function otherDigest(what: string, got: Digest, wanted: Digest): Failure {
  return new Failure("DIGEST", `${what}: the registry has ${got} where ${wanted} is expected`);
}

function tooLarge(what: string, size: number): Failure {
  return new Failure("LIMIT", `${what} has ${size} bytes; a manifest may have ${LIMITS.manifestBytes} (limit manifestBytes)`);
}
