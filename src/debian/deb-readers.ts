import { createReadStream } from "node:fs";
import { availableParallelism } from "node:os";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import { type Deb, readDeb } from "./deb.ts";
import type { DebContents } from "./deb-contents.ts";
import type { DebFile, LockEntry } from "./face.ts";
import { ReaderThread } from "./reader-thread.ts";

/** Reads packages that are on the disk, several at a time. */
export interface DebReaders extends AsyncDisposable {
  /** Reads one package as readDeb does. Throws what it throws, and INTERRUPTED. */
  read(file: DebFile, label: string, expect: LockEntry): Promise<Deb>;
}

/** Where packages are read to, and what stops it. */
export interface ReadTarget {
  readonly contents: DebContents;
  /** Gives the path of a file that does not exist yet. */
  temporary(): Promise<string>;
  readonly task: Task;
  readonly early?: EarlyThreads | undefined;
}

/** Threads: no more than so many, whatever the machine has, since each holds a dictionary and one package. */
const WIDTH = Math.min(8, availableParallelism());
/** Bytes of one package's plain archive that a thread keeps in memory. */
const HELD = 64 << 20;
/** Packages that are together smaller than this (packed) are read sooner than a thread has started. */
const SMALL = 1 << 20;

/** Threads started before it is known what they will read: while a server is asked, a core is free. Those that nobody took are ended. */
export class EarlyThreads implements AsyncDisposable {
  readonly #idle = Array.from({ length: WIDTH < 2 ? 0 : WIDTH }, () => new ReaderThread());

  constructor() {
    for (const one of this.#idle) one.start();
  }

  take(): ReaderThread | undefined {
    return this.#idle.pop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((one) => one.end()));
  }
}

/**
 * Readers for packages that have so many bytes in all, packed: threads, as many as the machine runs at once, or this thread alone where
 * there is little to read. Threads start when there is something for them, and all have ended when the readers are disposed of.
 */
export function openDebReaders(packed: number, target: ReadTarget, width = WIDTH): DebReaders {
  return packed < SMALL || width < 2 ? readHere(target) : readInThreads(target, width);
}

function readHere({ contents, task }: ReadTarget): DebReaders {
  return {
    read: (file, label, expect) => readDeb(createReadStream(file.path, { highWaterMark: 1 << 20 }), label, contents, task, expect),
    async [Symbol.asyncDispose]() {},
  };
}

function readInThreads({ contents, temporary, task, early }: ReadTarget, width: number): DebReaders {
  const all: ReaderThread[] = [];
  const idle: ReaderThread[] = [];
  const waiting: (() => void)[] = [];
  const take = async (): Promise<ReaderThread> => {
    while (idle.length === 0) {
      if (all.length < width) {
        const one = early?.take() ?? new ReaderThread();
        all.push(one);
        return one;
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return idle.pop() as ReaderThread;
  };
  const stop = () => Promise.all(all.map((one) => one.end()));
  task.signal.addEventListener("abort", stop, { once: true });
  return {
    async read(file, label, expect) {
      const spill = await temporary();
      const thread = await take();
      const memory = contents.grant(HELD);
      let held = 0;
      try {
        if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while packages were read");
        const answer = await thread.ask({ path: file.path, label, expect, memory, spill });
        if ("failure" in answer) throw new Failure(answer.failure.code, answer.failure.message, answer.failure);
        if ("ended" in answer) {
          if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while packages were read");
          throw new Failure("PACKAGE", `${printable(label)}: the thread that read it ended (${printable(answer.ended)})`);
        }
        if ("error" in answer) throw new Error(answer.error);
        held = answer.held;
        contents.takeOver(answer.files);
        for (const text of answer.notes) task.emit({ type: "note", text });
        return received(answer.deb);
      } finally {
        contents.settle(memory, held);
        idle.push(thread);
        waiting.shift()?.();
      }
    },
    async [Symbol.asyncDispose]() {
      task.signal.removeEventListener("abort", stop);
      await stop();
    },
  };
}

/** Buffers come over as plain arrays of bytes. */
function received(deb: Deb): Deb {
  const files = [...deb.files].map(([name, bytes]) => [name, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)] as const);
  return { ...deb, files: new Map(files) };
}
