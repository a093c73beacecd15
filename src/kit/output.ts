import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, readdirSync, realpathSync, renameSync, statSync, unlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Writable } from "node:stream";
import { quietly, writeFully } from "./atomic.ts";
import { Failure } from "./error.ts";
import { formatIdentity, livenessOf, ownIdentity, parseIdentity } from "./liveness.ts";
import { printable } from "./printable.ts";
import { errnoOf, orStorageFailure, storageFailure } from "./storage-failure.ts";

/**
 * Where a finished product goes: a file by its path, or an open stream (standard output), which stays open. With `later`, a file is
 * written whole but does not appear under its name until its Pending is told so. `signal` ends the wait for a stream that nobody reads.
 */
export type Output =
  | { readonly file: string; readonly later?: (pending: Pending) => void }
  | { readonly stream: Writable; readonly signal?: AbortSignal };

/** A file that is written and not yet under its name: one of the two is to be called. Neither has to be for a device or FIFO. */
export interface Pending {
  /** Throws STORAGE, NO_SPACE. */
  appear(): void;
  discard(): void;
}

/** Takes the next bytes. They are the caller's again when what it returns settles. */
export type Sink = (chunk: Uint8Array) => void | Promise<void>;

/**
 * Runs `write`, which hands its bytes to a sink. A file appears under its name only when all is written, and until then an
 * existing one stays as it was; a symlink is followed, a device or FIFO written to directly. Throws NO_SPACE, STORAGE (also
 * for a closed pipe and for a directory), and whatever `write` throws.
 */
export async function writeOutput(output: Output, write: (sink: Sink) => Promise<void>): Promise<void> {
  if ("stream" in output) return intoStream(output.stream, output.signal, write);
  const path = resolve(output.file);
  try {
    await intoFile(path, output.later, write);
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}

async function intoFile(
  path: string,
  later: ((pending: Pending) => void) | undefined,
  write: (sink: Sink) => Promise<void>,
): Promise<void> {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory())
    throw new Failure("STORAGE", `could not write ${printable(path)}: is a directory`, { hint: "Name a file in it." });
  const special = there !== undefined && !there.isFile();
  const real = there === undefined ? join(realpathSync(dirname(path)), basename(path)) : realpathSync(path);
  const prefix = `.${basename(real).slice(0, 60)}.nought-`;
  if (!special) sweep(dirname(real), prefix);
  const name = special ? real : join(dirname(real), `${prefix}${formatIdentity(ownIdentity())}-${randomBytes(4).toString("hex")}`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const fd = openSync(name, special ? O_WRONLY : O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o666);
  let open = true;
  try {
    await write((chunk) => writeFully(fd, chunk));
    open = false;
    closeSync(fd);
    if (special) return;
    if (later)
      later({
        appear: () => orStorageFailure("could not write", path, () => renameSync(name, real)),
        discard: () => quietly(() => unlinkSync(name)),
      });
    else renameSync(name, real);
  } catch (error) {
    if (open) quietly(() => closeSync(fd));
    if (!special) quietly(() => unlinkSync(name));
    throw error;
  }
}

/** Removes what a killed process left of the same file; what living ones write stays. */
function sweep(dir: string, prefix: string): void {
  quietly(() => {
    for (const name of readdirSync(dir)) {
      const who = name.startsWith(prefix) ? parseIdentity(name.slice(prefix.length, name.lastIndexOf("-"))) : undefined;
      if (who && livenessOf(who) === "dead") quietly(() => unlinkSync(join(dir, name)));
    }
  });
}

async function intoStream(stream: Writable, signal: AbortSignal | undefined, write: (sink: Sink) => Promise<void>): Promise<void> {
  // A failed write reports to its callback and, later, to listeners; without one the process would end. A broken stream keeps it.
  const ignore = () => {};
  stream.on("error", ignore);
  try {
    await write(
      (chunk) =>
        new Promise((done, fail) => {
          const stop = () => fail(new Failure("INTERRUPTED", "interrupted while writing to standard output"));
          if (signal?.aborted) return stop();
          signal?.addEventListener("abort", stop);
          stream.write(chunk, (error) => {
            signal?.removeEventListener("abort", stop);
            if (error) fail(error);
            else done();
          });
        }),
    );
    stream.off("error", ignore);
  } catch (error) {
    const closed = ["EPIPE", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END"].includes(errnoOf(error) ?? "");
    if (closed) throw new Failure("STORAGE", "could not write to standard output: the reader has closed it", { cause: error });
    throw storageFailure(error, "could not write to", "standard output");
  }
}
