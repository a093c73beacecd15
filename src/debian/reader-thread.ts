import { resolve } from "node:path";
import type { Worker } from "node:worker_threads";
import type { DebAnswer, DebRequest } from "./deb-message.ts";

declare const NOUGHT_DEB_WORKER: string | undefined;

/** The program of the thread: beside this file, or where the bundle that this file is in was told that it is (scripts/bundle.mjs). */
const PROGRAM = typeof NOUGHT_DEB_WORKER === "undefined" ? "deb-worker.ts" : NOUGHT_DEB_WORKER;

/** A thread that reads one package after another (deb-worker.ts). It keeps the process alive until it is ended. */
export class ReaderThread {
  #worker: Promise<Worker> | undefined;
  #done: ((answer: DebAnswer | Ended) => void) | undefined;
  #end: Ended | undefined;

  /** Starts it before there is anything to read. */
  start(): void {
    this.#worker ??= this.#start();
    // What is wrong is told when it is asked.
    this.#worker.catch(() => {});
  }

  /** Has a package read; one at a time. `ended` says that the thread is no more, and why. */
  async ask(request: DebRequest): Promise<DebAnswer | Ended> {
    const worker = await (this.#worker ??= this.#start());
    if (this.#end) return this.#end;
    return new Promise((resolve) => {
      this.#done = resolve;
      worker.postMessage(request, []);
    });
  }

  /** Ends it, whatever it does. What was asked is answered with `ended`. */
  async end(): Promise<void> {
    const worker = this.#worker;
    this.#finish({ ended: "it was stopped" });
    await (await worker)?.terminate();
  }

  async #start(): Promise<Worker> {
    const { Worker: Thread } = await import("node:worker_threads");
    const worker = new Thread(resolve(import.meta.dirname, PROGRAM), { name: "packages", execArgv: [], stdin: false });
    worker.on("message", (answer: DebAnswer) => this.#tell(answer));
    worker.on("error", (error) => this.#finish({ ended: error.message }));
    worker.on("exit", (code) => this.#finish({ ended: `exit ${code}` }));
    return worker;
  }

  #tell(answer: DebAnswer | Ended): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(answer);
  }

  #finish(end: Ended): void {
    this.#end ??= end;
    this.#tell(this.#end);
  }
}

/** A thread that is no more. */
export interface Ended {
  readonly ended: string;
}
