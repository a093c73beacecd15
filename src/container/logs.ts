import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { lookAt } from "../kit/look.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { FrameReader } from "../sandbox/frames.ts";
import type { Places } from "./places.ts";
import { runningProcess } from "./process.ts";

/** A piece of output. `begins`: it starts a line; a line that is very long comes in several pieces. */
export interface LogPiece {
  readonly stream: 1 | 2;
  /** Nanoseconds since the epoch. */
  readonly at: bigint;
  /** With the newline at its end, if it has one. Valid until the next piece is asked for. */
  readonly bytes: Buffer;
  readonly begins: boolean;
}

const CHUNK = 64 << 10;
/** Bytes of a line that are kept together. */
const LONGEST = 256 << 10;
/** Milliseconds between two looks for more. */
const PAUSE = 30;

export interface LogOptions {
  /** Until it has ended and all is read. */
  readonly follow: boolean;
  /** Only what is said from now on. */
  readonly end?: boolean;
  /** Pieces as they came instead of lines. */
  readonly raw?: boolean;
  /** Told whenever there is no more for now. */
  caughtUp?(): void;
}

/**
 * What a container has said, line by line, the older of its two files first. Throws STORAGE, and what the signal aborts with.
 */
export async function* readLog(places: Places, options: LogOptions, cancel: AbortSignal): AsyncGenerator<LogPiece> {
  const lines = options.raw ? new Raw() : new Lines();
  if (!options.end) yield* readFile(open(places.oldLog), new FrameReader(), lines);
  let fd = open(places.log);
  let position = fd !== undefined && options.end ? fstatSync(fd).size : 0;
  let reader = new FrameReader();
  const buffer = Buffer.allocUnsafe(CHUNK);
  try {
    for (;;) {
      // Asked before reading: what it says last is there when it has ended.
      const running = options.follow && runningProcess(places) !== undefined;
      fd ??= open(places.log);
      if (fd !== undefined) {
        for (let got = 1; got > 0; position += got) {
          got = readSync(fd, buffer, 0, CHUNK, position);
          for (const frame of reader.push(buffer.subarray(0, got)))
            if (frame.stream === 1 || frame.stream === 2) yield* lines.push(frame.stream, frame.at, frame.bytes);
        }
      }
      if (!running) break;
      options.caughtUp?.();
      if (fd !== undefined && wasReplaced(fd, places.log)) {
        closeSync(fd);
        [fd, position, reader] = [undefined, 0, new FrameReader()];
        continue;
      }
      cancel.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    yield* lines.rest();
  } catch (error) {
    throw storageFailure(error, "could not read", places.log);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw storageFailure(error, "could not read", path);
  }
}

function wasReplaced(fd: number, path: string): boolean {
  return lookAt(path)?.ino !== fstatSync(fd).ino;
}

function* readFile(fd: number | undefined, reader: FrameReader, lines: Pieces): Generator<LogPiece> {
  if (fd === undefined) return;
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let position = 0, got = 1; got > 0; position += got) {
      got = readSync(fd, buffer, 0, CHUNK, position);
      for (const frame of reader.push(buffer.subarray(0, got)))
        if (frame.stream === 1 || frame.stream === 2) yield* lines.push(frame.stream, frame.at, frame.bytes);
    }
  } finally {
    closeSync(fd);
  }
}

/** Makes pieces of what is in the frames. */
interface Pieces {
  push(stream: 1 | 2, at: bigint, bytes: Buffer): Generator<LogPiece>;
  rest(): Generator<LogPiece>;
}

/** Pieces as they are. */
class Raw implements Pieces {
  *push(stream: 1 | 2, at: bigint, bytes: Buffer): Generator<LogPiece> {
    yield { stream, at, bytes, begins: true };
  }

  *rest(): Generator<LogPiece> {}
}

/** Puts lines of each stream together from pieces of any length. */
class Lines implements Pieces {
  readonly #waiting = new Map<1 | 2, { at: bigint; pieces: Buffer[]; length: number; begins: boolean }>();

  *push(stream: 1 | 2, at: bigint, bytes: Buffer): Generator<LogPiece> {
    for (let from = 0; from < bytes.length; ) {
      const newline = bytes.indexOf(0x0a, from);
      const end = newline < 0 ? bytes.length : newline + 1;
      const waiting = this.#waiting.get(stream) ?? { at, pieces: [], length: 0, begins: true };
      waiting.pieces.push(Buffer.from(bytes.subarray(from, end)));
      waiting.length += end - from;
      this.#waiting.set(stream, waiting);
      if (newline >= 0 || waiting.length > LONGEST) {
        yield { stream, at: waiting.at, bytes: Buffer.concat(waiting.pieces), begins: waiting.begins };
        if (newline >= 0) this.#waiting.delete(stream);
        else this.#waiting.set(stream, { at, pieces: [], length: 0, begins: false });
      }
      from = end;
    }
  }

  *rest(): Generator<LogPiece> {
    for (const [stream, { at, pieces, begins }] of this.#waiting)
      if (pieces.length > 0) yield { stream, at, bytes: Buffer.concat(pieces), begins };
    this.#waiting.clear();
  }
}
