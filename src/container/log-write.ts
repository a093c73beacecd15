import { closeSync, fstatSync, openSync, renameSync } from "node:fs";
import { quietly, writeFully } from "../kit/atomic.ts";
import type { Places } from "./places.ts";

/** Bytes after which a log is put aside and begun anew; what was put aside before is gone then. A container keeps at most twice that. */
export const LOG_LIMIT = 16 << 20;

const HEADER = 16;

/** A container's log. Writing to it never fails: a full disk loses output and must not stop a container. */
export interface LogWriter extends Disposable {
  /** `at` is nanoseconds since the epoch. */
  write(stream: 1 | 2, bytes: Uint8Array, at: bigint): void;
}

/** Opens the log at its end. Frames are as the helper writes them (sandbox/frames.ts). */
export function openLog(places: Places, limit: number = LOG_LIMIT): LogWriter {
  let fd: number | undefined;
  let size = 0;
  const open = () => {
    fd = openSync(places.log, "a", 0o600);
    size = fstatSync(fd).size;
  };
  quietly(open);
  return {
    write(stream, bytes, at) {
      quietly(() => {
        if (size > limit) {
          if (fd !== undefined) closeSync(fd);
          fd = undefined;
          renameSync(places.log, places.oldLog);
          open();
        }
        if (fd === undefined) return;
        const frame = Buffer.alloc(HEADER + bytes.length);
        frame.writeBigUInt64LE(at, 0);
        frame.writeUInt32LE(stream, 8);
        frame.writeUInt32LE(bytes.length, 12);
        frame.set(bytes, HEADER);
        size += frame.length;
        writeFully(fd, frame);
      });
    },
    [Symbol.dispose]() {
      if (fd !== undefined) quietly(() => closeSync(fd as number));
    },
  };
}
