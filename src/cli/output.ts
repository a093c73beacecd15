import { writeSync } from "node:fs";
import { Failure } from "../kit/error.ts";

/** The reader of our standard output has gone. Ends the program quietly with 141, as SIGPIPE would. */
export class PipeClosed extends Error {}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes all of it to a file descriptor before it returns, waiting for slow readers. Throws PipeClosed when nobody reads any more,
 * NO_SPACE or STORAGE when the device refuses.
 */
export function writeAll(fd: number, data: string | Uint8Array): void {
  let rest = typeof data === "string" ? Buffer.from(data, "utf8") : data;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EAGAIN") Atomics.wait(PAUSE, 0, 0, 5);
      else if (code === "EINTR") continue;
      else if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED") throw new PipeClosed();
      else if (code === "ENOSPC")
        throw new Failure("NO_SPACE", `cannot write to standard ${fd === 1 ? "output" : "error"}: no space left on device`);
      else
        throw new Failure("STORAGE", `cannot write to standard ${fd === 1 ? "output" : "error"}: ${code ?? "unknown error"}`, {
          cause: error,
        });
    }
  }
}

/** Standard error: what cannot be written there is lost, which is no reason to stop. */
export function writeError(text: string): void {
  try {
    writeAll(2, text);
  } catch {
    // Nobody is listening.
  }
}
