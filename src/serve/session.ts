import { randomBytes } from "node:crypto";
import { closeSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, syncFile, writeFully } from "../kit/atomic.ts";
import { LIMITS } from "../kit/limit.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { type Digest, type Hasher, hasher } from "../oci/digest.ts";
import { Refusal } from "./refusal.ts";

/** Uploads at once; a client that begins more has to end some. */
const MOST = 1_000;
/** Milliseconds after which an upload that nobody goes on with is forgotten. */
const IDLE_MS = 24 * 3_600_000;

/** An upload: bytes that came in order, hashed as they came. */
export interface Session {
  readonly id: string;
  readonly repository: string;
  /** Bytes received so far. */
  readonly size: number;
  /**
   * Takes the bytes of one request. Where the connection breaks, what came before stays, and the client may go on from there.
   * Throws Refusal where another request is at it, or above the largest blob.
   */
  take(chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Hands the synced file over if its bytes have this digest; either way the session ends. Throws Refusal DIGEST_INVALID. */
  finish(digest: Digest, adopt: (file: string) => Promise<void>): Promise<void>;
  cancel(): void;
}

/** The uploads of one server. They live as long as it does. */
export interface Sessions {
  begin(repository: string): Session;
  /** Throws Refusal BLOB_UPLOAD_UNKNOWN. */
  find(repository: string, id: string): Session;
  /** Forgets all, files too. */
  close(): void;
}

/** Uploads into a folder that is on the same file system as the blobs. */
export function createSessions(folder: string): Sessions {
  const open = new Map<string, Session & { readonly touched: number }>();
  const unknown = () => new Refusal("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
  return {
    begin(repository) {
      for (const one of open.values()) if (performance.now() - one.touched > IDLE_MS) one.cancel();
      if (open.size >= MOST) throw new Refusal("TOOMANYREQUESTS", `${MOST} uploads are under way`, { headers: { "retry-after": "5" } });
      const session = createSession(repository, join(folder, `upload-${uniqueToken()}`), (id) => open.delete(id));
      open.set(session.id, session);
      return session;
    },
    find(repository, id) {
      const session = open.get(id);
      if (session?.repository !== repository) throw unknown();
      return session;
    },
    close() {
      for (const one of open.values()) one.cancel();
    },
  };
}

function createSession(repository: string, file: string, ended: (id: string) => void): Session & { readonly touched: number } {
  const id = randomBytes(16).toString("hex");
  const fd = createPrivate(file);
  const hash: Hasher = hasher();
  let size = 0;
  let touched = performance.now();
  let busy = false;
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    ended(id);
    // A sync may be under way on the descriptor; then it is closed after it.
    if (!busy) closeSync(fd);
    quietly(() => unlinkSync(file));
  };
  const alone = async (work: () => Promise<void>) => {
    if (over) throw new Refusal("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
    if (busy) throw new Refusal("BLOB_UPLOAD_INVALID", "another request is sending to this upload", { status: 409 });
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
      touched = performance.now();
      if (over) closeSync(fd);
    }
  };
  return {
    id,
    repository,
    get size() {
      return size;
    },
    get touched() {
      return busy ? performance.now() : touched;
    },
    take: (chunks) =>
      alone(async () => {
        for await (const chunk of chunks) {
          if (over) throw new Refusal("BLOB_UPLOAD_UNKNOWN", "the upload was cancelled");
          if (size + chunk.length > LIMITS.unpackedBytes)
            throw new Refusal("SIZE_INVALID", `a blob may have ${LIMITS.unpackedBytes} bytes`, { status: 413 });
          try {
            writeFully(fd, chunk);
          } catch (error) {
            // How much of the chunk the disk took is not known: nobody can go on from here.
            end();
            throw error;
          }
          hash.update(chunk);
          size += chunk.length;
        }
      }),
    finish: (digest, adopt) =>
      alone(async () => {
        try {
          const found = hash.digest();
          if (found !== digest) throw new Refusal("DIGEST_INVALID", `the ${size} bytes that came have the digest ${found}`);
          await syncFile(fd);
          if (over) throw new Refusal("BLOB_UPLOAD_UNKNOWN", "the upload was cancelled");
          await adopt(file);
        } finally {
          end();
        }
      }),
    cancel: end,
  };
}
