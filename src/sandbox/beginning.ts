import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { errnoName } from "./errno.ts";
import { type Frame, FrameReader } from "./frames.ts";
import { BEGUN } from "./inner-table.ts";
import type { Launched } from "./launch.ts";
import { ProcRefused } from "./machine.ts";
import { WORDS } from "./network-table.ts";
import { explain } from "./table.ts";
import { programTrouble, setupTrouble } from "./trouble.ts";

/** What is heard of a sandbox from the time its tables are sent to the time its program runs. */
export class Beginning {
  readonly #launched: Launched;
  #reports = Buffer.alloc(0);
  #begun = false;
  #failure: Failure | undefined;
  #words: string | undefined;
  /** The number of its process 1 as the host sees it; 0 until it is known. */
  pid = 0;

  /** `frame` is told what is none of the beginning; `over`, that the program runs or never will. */
  constructor(launched: Launched, frame: (frame: Frame) => void, over: () => void) {
    this.#launched = launched;
    const [, , , table, reports, frames] = launched.child.stdio as unknown as [null, null, null, Writable, Readable, Readable];
    // Whoever reads these may end first; that is told by the reports.
    table.on("error", () => {});
    table.end(Buffer.concat([launched.outer.bytes, launched.inner.table.bytes]));
    reports.on("data", (piece: Buffer) => {
      this.#reports = Buffer.concat([this.#reports, piece]);
    });
    // The report pipe is closed when the program begins, or when there is something to report.
    let ended = false;
    reports.once("end", () => {
      this.#readReports();
      ended = true;
      // The two pipes are heard in any order.
      if (this.failure || this.pid > 0) over();
    });
    const reader = new FrameReader();
    frames.on("data", (piece: Buffer) => {
      for (const one of reader.push(piece)) {
        if (one.stream === 3) {
          this.pid = Number.parseInt(one.bytes.toString("latin1"), 10);
          if (ended) over();
        } else if (one.stream === WORDS) this.#words = one.bytes.toString().replace(/\0+$/, "");
        else frame(one);
      }
    });
  }

  /** Why the sandbox did not come to be; undefined if it did. */
  get failure(): Failure | undefined {
    return this.#failure ?? (this.#words === undefined ? undefined : networkTrouble(this.#words));
  }

  #readReports(): void {
    for (let at = 0; at + 8 <= this.#reports.length; at += 8) {
      const operation = this.#reports.readInt32LE(at);
      if (operation === BEGUN) this.#begun = true;
      else this.#failure ??= this.#explain(operation, this.#reports.readInt32LE(at + 4));
    }
  }

  #explain(operation: number, number: number): Failure {
    const { outer, inner, spec } = this.#launched;
    const table = this.#begun ? inner.table : outer;
    const errno = errnoName(number);
    if (table.label(operation) === "fsmount /proc" && errno === "EPERM")
      return new ProcRefused("SANDBOX", "the kernel does not let a new /proc be mounted here");
    const trouble = this.#begun ? inner.troubles.get(operation) : undefined;
    if (trouble) return programTrouble(trouble, spec, table.label(operation).replace(/^exec /, ""), errno);
    return setupTrouble(explain(table, operation, number), errno);
  }
}

/** What the program of a network said before it gave up. */
export function networkTrouble(words: string): Failure {
  const lines = words.split("\n").filter((line) => line.trim() !== "" && !/syslog/.test(line));
  const last = lines.at(-1) ?? "it ended without a word";
  return new Failure("SANDBOX", `the network did not come up: ${printable(last)}`, {
    hint: "It needs /dev/net/tun, and published ports must be free. With --network=host none is needed.",
  });
}
