import { resolve } from "node:path";
import { Failure } from "../kit/error.ts";
import { acquireLock } from "../kit/lock.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import { subjectOf } from "../oci/subject.ts";
import { createBlobs } from "./blobs.ts";
import { checkStore } from "./check.ts";
import { collect } from "./collect.ts";
import { createDerived } from "./derived.ts";
import { readDocument } from "./document.ts";
import type { CacheRecord, ContentStore } from "./face.ts";
import { inspectStore, layoutOf } from "./layout.ts";
import { withRoom } from "./make-room.ts";
import { emptyMarks, mark } from "./mark.ts";
import { createNames } from "./names.ts";
import type { Parts } from "./parts.ts";
import { openBytes } from "./reading.ts";
import { createRecords } from "./records.ts";
import { createReferrers } from "./referrers.ts";
import { createSession } from "./session.ts";
import { usageOf } from "./usage.ts";

export interface StoreOptions {
  /** Milliseconds to wait for another process that collects. Default 60,000. */
  readonly lockTimeoutMs?: number;
  /** Told when the store waits for another process. */
  readonly onWait?: (text: string) => void;
}

/**
 * Opens the local store in a folder. Nothing is created, listed or synced until the first write; readers never write. Dispose of it at
 * the end: that removes its private folder. Throws STORAGE where the folder is foreign, writable by others, no store, or of a newer
 * nought.
 */
export async function openStore(dir: string, options: StoreOptions = {}): Promise<ContentStore> {
  return storeOf(partsOf(dir), options);
}

/** The parts of a store, for what works on the whole of it (checkStore, usage). Throws as openStore does. */
export function partsOf(dir: string): Parts {
  const layout = layoutOf(resolve(dir));
  let present = inspectStore(layout) === "present";
  const session = createSession(layout, () => (present ||= inspectStore(layout) === "present"));
  return {
    layout,
    session,
    blobs: createBlobs(layout, session),
    names: createNames(layout, session),
    records: createRecords(layout, session),
    referrers: createReferrers(layout, session),
    derived: createDerived(layout, session),
  };
}

function storeOf(parts: Parts, options: StoreOptions): ContentStore {
  const { layout, session, blobs, names, records, referrers, derived } = parts;
  const lockOptions = {
    ...(options.lockTimeoutMs === undefined ? {} : { timeoutMs: options.lockTimeoutMs }),
    ...(options.onWait ? { onWait: options.onWait } : {}),
  };

  /** In use from here on, and there: leased first, looked for after (see collect.ts). */
  const holds = (digest: Digest): boolean => {
    session.lease([digest]);
    return blobs.sizeOf(digest) !== undefined;
  };
  /** Leases a root and all it refers to. Throws NOT_FOUND or DIGEST where something that it needs is missing or its root damaged. */
  const hold = (root: Descriptor, must: boolean): void => {
    session.lease([root.digest], must);
    const marks = emptyMarks();
    mark(blobs, root, marks, referrers.snapshot());
    for (const [digest, failure] of marks.broken) if (digest === root.digest || failure.code === "DIGEST") throw failure;
    session.lease([...marks.reached], must);
    // Looking for them also takes back what a collection has put aside.
    for (const digest of marks.reached)
      if (blobs.sizeOf(digest) === undefined && marks.needed.has(digest))
        throw new Failure("NOT_FOUND", `image ${root.digest} is not whole: its blob ${digest} is not in the store`);
  };

  return {
    dir: layout.dir,
    pathOf: blobs.pathOf,
    sizeOf: blobs.sizeOf,
    openFile: blobs.openFile,
    writer: blobs.writer,
    temporary: async () => session.temporary(),
    put: blobs.put,
    putMany: blobs.putMany,
    has: async (digest) => holds(digest),
    open: async (what) => openBytes(blobs, what),
    readDocument: (what) => readDocument(blobs, what),
    hold: async (root) => hold(root, false),

    async resolve(name) {
      const record = names.read(name);
      if (record !== undefined) return name.digest === undefined || record.root.digest === name.digest ? record.root : undefined;
      if (name.digest === undefined) return undefined;
      const tagged = names.list().find((one) => one.root.digest === name.digest && sameRepository(one.name, name));
      return tagged?.root;
    },
    async publish(name, root) {
      hold(root, true);
      const before = readQuietly(() => names.read(name));
      if (before?.root.digest === root.digest && before.root.mediaType === root.mediaType && before.root.size === root.size) {
        await Promise.all([blobs.settle(), names.settle()]);
        return;
      }
      session.begin();
      await names.write(name, root, blobs.settle());
    },
    names: async () => names.list().sort((a, b) => (formatReference(a.name) < formatReference(b.name) ? -1 : 1)),
    unname: (name) => names.remove(name),
    async keep(root) {
      hold(root, true);
      session.begin();
      await names.keep(root, blobs.settle());
    },
    untagged: async () => {
      const named = new Set(names.list().map((one) => one.root.digest));
      return names
        .kept()
        .filter((one) => !named.has(one.root.digest))
        .sort((a, b) => b.at - a.at);
    },
    forget: (root) => names.forget(root),
    async attach(referrer) {
      const found = subjectOf({ descriptor: referrer, bytes: readDocument(blobs, referrer) });
      if (!found) throw new Failure("MANIFEST", `${referrer.digest} names no subject that it could be attached to`);
      if (!holds(found.subject))
        throw new Failure("NOT_FOUND", `the manifest ${found.subject}, which ${referrer.digest} refers to, is not in the store`);
      hold(referrer, true);
      session.begin();
      await referrers.enter(found.subject, referrer.digest, blobs.settle());
      return found.subject;
    },
    detach: (subject, referrer) => referrers.remove(subject, referrer),
    referrers: async (subject, artifactType) =>
      referrers
        .snapshot()(subject)
        .flatMap((digest) => {
          const entry = entryOf(blobs, digest);
          return entry && (artifactType === undefined || entry.artifactType === artifactType) ? [entry] : [];
        }),

    recall(key, elsewhere): CacheRecord | undefined {
      const record = records.recall(key);
      const blob = record?.layer?.blob;
      // A record whose layer is gone is a miss.
      return blob === undefined || holds(blob.digest) || elsewhere?.(blob) ? record : undefined;
    },
    remember: records.remember,
    noteBlob: records.noteBlob,
    async flush() {
      records.flush();
      if (!records.bloated()) return;
      try {
        // Who prunes just now will write the log anew himself: nothing to wait for.
        using _lock = await acquireLock(layout.lock, { timeoutMs: 0 });
        records.rewrite(() => true);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
      }
    },
    records: () => records.all(),
    forgetRecords: (keep) =>
      withRoom(layout, async () => {
        session.begin();
        using _lock = await acquireLock(layout.lock, lockOptions);
        return records.rewrite(keep);
      }),
    blobOf(diffId) {
      const known = records.blobOf(diffId);
      if (known && holds(known.digest)) return known;
      const size = holds(diffId) ? blobs.sizeOf(diffId) : undefined;
      return size === undefined ? undefined : { mediaType: MEDIA.layer, digest: diffId, size };
    },

    readIndex: async (diffId) => derived.readIndex(diffId),
    writeIndex: async (diffId, bytes) => derived.writeIndex(diffId, bytes),
    readScratch: derived.readScratch,
    writeScratch: derived.writeScratch,
    collect: () => withRoom(layout, () => collect(parts, lockOptions)),
    check: () => checkStore(parts),
    usage: async () => usageOf(parts),

    async [Symbol.asyncDispose]() {
      session.end();
    },
  };
}

/** A referrer as lists of them have it; undefined where it is missing or damaged. */
function entryOf(blobs: Parts["blobs"], digest: Digest): Descriptor | undefined {
  const what = { mediaType: MEDIA.manifest, digest, size: blobs.sizeOf(digest) ?? 0 };
  return readQuietly(() => subjectOf({ descriptor: what, bytes: readDocument(blobs, what) })?.entry);
}

function sameRepository(a: Reference, b: Reference): boolean {
  return a.registry === b.registry && a.repository === b.repository;
}

/** A damaged record is no reason not to write a good one over it. */
function readQuietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
