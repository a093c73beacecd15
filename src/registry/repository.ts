import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { createWire } from "../net/wire.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, hasher } from "../oci/digest.ts";
import { isIndexType, isManifestType } from "../oci/media-type.ts";
import { memoryBytes } from "../oci/memory-bytes.ts";
import type { Bytes } from "../oci/place.ts";
import { formatReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import { subjectOf } from "../oci/subject.ts";
import type { Task } from "../task/task.ts";
import { forget, Refusal } from "./answer.ts";
import { createClient } from "./client.ts";
import { remoteBytes } from "./download.ts";
import type { Access, Location, RegistryOptions, Repository } from "./face.ts";
import { type Asked, getManifest, type Held, headManifest, putManifest } from "./manifests.ts";
import { readTags } from "./names.ts";
import { enterReferrer, listReferrers } from "./referrers.ts";
import { mountBlob, uploadKnown, uploadUnknown } from "./upload.ts";
import { uploadMade } from "./upload-made.ts";

const ACTIONS: Readonly<Record<Access, string>> = { pull: "pull", push: "pull,push", delete: "pull,delete" };
/** Documents that are kept for the next question. */
const KEPT = 64;

/** More about how a repository is used. */
export interface RepositoryOptions extends RegistryOptions {
  readonly access: Access;
  /** A repository of the same registry from which a blob may be mounted. */
  readonly mountFrom?: (blob: Digest) => string | undefined;
}

/** One host of the repository. */
interface Source extends Asked {
  readonly location: Location;
}

/**
 * A repository of a registry as a place; its mirrors too when it is opened for pulling. Opens no connection yet. A place of one repository:
 * other names are not found in it. Throws AUTH where the configuration blocks the registry, USAGE.
 */
export async function openRepository(name: Reference, options: RepositoryOptions, task: Task): Promise<Repository> {
  const { tag: _, digest: __, ...bare } = name;
  const locations = (await options.locate(name)).filter((one) => options.access === "pull" || !one.mirror);
  const wire = createWire({ env: options.env, ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }) });
  const sources: Source[] = locations.map((location) => ({
    location,
    client: createClient(location, wire, options),
    repository: location.repository,
    rights: [`repository:${location.repository}:${ACTIONS[options.access]}`],
  }));
  const retryMs = options.retryMs ?? 500;
  const kept = new Map<Digest, Held>();
  /** Blobs the registry was just asked for in vain. */
  const absent = new Set<Digest>();
  const arrivals = new Map<Digest, "sent" | "mounted">();
  let answered = sources.at(-1) as Source;
  const main = sources.at(-1) as Source;

  const keep = (held: Held): Held => {
    kept.set(held.descriptor.digest, held);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value as Digest);
    return held;
  };
  const ours = (other: Reference) => other.registry === bare.registry && other.repository === bare.repository;

  /** Asks one host after the other, the one that answered last first; what a mirror lacks or cannot do is asked for elsewhere. */
  async function fromAny<T>(byDigest: boolean, ask: (source: Source) => Promise<T | undefined>): Promise<T | undefined> {
    const fit = sources.filter(({ location: { serves } }) => serves === "all" || (serves === "digest-only") === byDigest);
    const order = byDigest && fit.includes(answered) ? [answered, ...fit.filter((one) => one !== answered)] : fit;
    let problem: unknown;
    for (const source of order) {
      try {
        const found = await ask(source);
        if (found === undefined) continue;
        answered = source;
        return found;
      } catch (error) {
        if (!(error instanceof Failure) || error.code === "INTERRUPTED") throw error;
        if (source.location.mirror) task.emit({ type: "note", text: `mirror ${source.location.host}: ${error.message}; asking the next` });
        // The word of the registry itself counts.
        problem = error;
      }
    }
    if (problem !== undefined) throw problem;
    return undefined;
  }

  async function stat(digest: Digest, mediaType?: string): Promise<{ size: number } | undefined> {
    if (mediaType !== undefined && isDocument(mediaType)) return fromAny(true, (source) => headManifest(source, digest, task));
    const found = await fromAny(true, async ({ client, repository, rights }) => {
      try {
        const to = `/v2/${repository}/blobs/${digest}`;
        const answer = await client.ask({ method: "HEAD", to, rights, accept: [200], what: `blob ${digest}` }, task);
        await forget(answer);
        return { size: Number(answer.headers["content-length"] ?? Number.NaN) };
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return undefined;
        throw error;
      }
    });
    if (found) absent.delete(digest);
    else absent.add(digest);
    return found;
  }

  async function document(what: Descriptor): Promise<Held | undefined> {
    const before = kept.get(what.digest);
    if (before) return before;
    if (what.size > LIMITS.manifestBytes)
      throw new Failure("LIMIT", `manifest ${what.digest} has ${what.size} bytes; a manifest may have ${LIMITS.manifestBytes}`);
    const found = await fromAny(true, (source) => getManifest(source, what.digest, task));
    return found && keep(found);
  }

  async function blob(what: Descriptor): Promise<Bytes> {
    const found = await fromAny(true, async (source) => {
      const { client, repository, rights } = source;
      const get = (headers: Readonly<Record<string, string>>) => {
        const to = `/v2/${repository}/blobs/${what.digest}`;
        return client.ask({ method: "GET", to, rights, headers, accept: [200, 206], what: `blob ${what.digest}` }, task);
      };
      try {
        const first = await get({});
        const told = first.headers["content-length"];
        if (told !== undefined && Number(told) !== what.size) {
          first.destroy();
          throw new Failure(
            "DIGEST",
            `blob ${what.digest}: ${source.location.host} has ${told.slice(0, 20)} bytes where ${what.size} are announced`,
          );
        }
        return remoteBytes(what, get, first, retryMs, task);
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return undefined;
        throw error;
      }
    });
    if (!found) throw new Failure("NOT_FOUND", `blob ${what.digest} is not in ${formatReference(bare)}`);
    return found;
  }

  async function putDocument(held: Held, reference: string): Promise<void> {
    const subject = subjectOf(held);
    const entered = await putManifest(main, reference, held, task);
    if (subject && entered === undefined) await enterReferrer(main, subject.subject, subject.entry, task);
    keep(held);
  }

  const uploader = { client: main.client, repository: main.repository, rights: main.rights, retryMs, task };

  return {
    name: bare,
    arrivals,
    get answeredBy() {
      return answered.location.host;
    },
    stat,
    has: async (digest, mediaType) => arrivals.has(digest) || (await stat(digest, mediaType)) !== undefined,
    async open(what) {
      if (!isDocument(what.mediaType)) return blob(what);
      const held = await document(what);
      if (!held) throw new Failure("NOT_FOUND", `manifest ${what.digest} is not in ${formatReference(bare)}`);
      return announced(held.bytes, what);
    },
    async put(bytes, expect) {
      if (expect?.mediaType !== undefined && isDocument(expect.mediaType)) {
        const whole = await gather(bytes, expect);
        await putDocument(
          { bytes: whole, descriptor: { mediaType: expect.mediaType, digest: expect.digest, size: whole.length } },
          expect.digest,
        );
        return { digest: expect.digest, size: whole.length };
      }
      if (expect === undefined) {
        if (!(bytes instanceof Uint8Array)) {
          const made = "from" in bytes ? await uploadMade(uploader, bytes) : await uploadUnknown(uploader, bytes);
          arrivals.set(made.digest, "sent");
          return made;
        }
        const known = { digest: digestOf(bytes), size: bytes.length };
        if (!(await stat(known.digest))) await uploadKnown(uploader, bytes, known, undefined);
        return known;
      }
      const { digest, size } = expect;
      if (absent.delete(digest) || !(await stat(digest)))
        arrivals.set(digest, await uploadKnown(uploader, bytes, expect, options.mountFrom?.(digest)));
      absent.delete(digest);
      return { digest, size };
    },
    async resolve(other) {
      if (!ours(other)) return undefined;
      const wanted = withDefaultTag(other);
      return fromAny(wanted.digest !== undefined, (source) => headManifest(source, wanted.digest ?? (wanted.tag as string), task));
    },
    async publish(other, root) {
      if (!ours(other)) throw new Failure("USAGE", `${formatReference(other)} is not in the repository ${formatReference(bare)}`);
      const reference = other.digest ?? withDefaultTag(other).tag ?? "latest";
      const now = await headManifest(main, reference, task);
      if (now?.digest === root.digest) return;
      const held = (await document(root)) ?? { descriptor: root, bytes: await gather((await blob(root)).read(), root) };
      await putDocument({ ...held, descriptor: { ...held.descriptor, mediaType: root.mediaType } }, reference);
    },
    tags: () => readTags(main, task),
    referrers: async (subject, artifactType) => (await fromAny(true, (source) => listReferrers(source, subject, artifactType, task))) ?? [],
    async mount(digest, from) {
      const mounted = await mountBlob(uploader, digest, from);
      if (mounted) arrivals.set(digest, "mounted");
      return mounted;
    },
    async remove(what) {
      const [kind, reference] =
        "tag" in what ? ["manifests", what.tag] : "manifest" in what ? ["manifests", what.manifest] : ["blobs", what.blob];
      const shown = `${formatReference(bare)}${"tag" in what ? ":" : "@"}${reference}`;
      const { client, repository, rights } = main;
      const to = `/v2/${repository}/${kind}/${reference}`;
      if ("blob" in what) arrivals.delete(what.blob);
      await forget(await client.ask({ method: "DELETE", to, rights, accept: [202, 200, 204], what: shown }, task));
    },
    async [Symbol.asyncDispose]() {
      wire.close();
    },
  };
}

function isDocument(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

/** Bytes in memory, of the size that was announced. */
function announced(bytes: Uint8Array, what: Descriptor): Bytes {
  if (bytes.length !== what.size) throw new Failure("DIGEST", `${what.digest} has ${bytes.length} bytes where ${what.size} are announced`);
  return memoryBytes(bytes);
}

/** A whole document, checked. */
async function gather(
  source: AsyncIterable<Uint8Array> | Uint8Array,
  what: { readonly digest: Digest; readonly size: number },
): Promise<Buffer> {
  if (what.size > LIMITS.manifestBytes) throw new Failure("LIMIT", `${what.digest}: a document may have ${LIMITS.manifestBytes} bytes`);
  const pieces: Uint8Array[] = [];
  const hash = hasher();
  let size = 0;
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    size += piece.length;
    if (size > what.size) break;
    hash.update(piece);
    pieces.push(piece);
  }
  const digest = hash.digest();
  if (size !== what.size || digest !== what.digest)
    throw new Failure("DIGEST", `document ${what.digest} of ${what.size} bytes came with ${size} bytes and the digest ${digest}`);
  return Buffer.concat(pieces);
}
