import { findContainer } from "../../container/face.ts";
import { type LogPiece, readLog } from "../../container/logs.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Invocation } from "../command.ts";
import { readMoment } from "../container/moment.ts";
import { writeAll } from "../output.ts";

/** `nought logs`: what a container said, to the streams it said it on. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const { places } = findContainer(call.storeDir, call.args[0] as string);
  const since = readMoment(flags.string("since"), "since");
  const until = readMoment(flags.string("until"), "until");
  const tail = readTail(flags.string("tail") ?? "all");
  const follow = flags.bool("follow");
  const write = (piece: LogPiece) => {
    if (flags.bool("timestamps") && piece.begins) writeAll(piece.stream, `${timestamp(piece.at)} `);
    writeAll(piece.stream, piece.bytes);
  };
  const kept: LogPiece[] = [];
  let live = false;
  for await (const piece of readLog(places, { follow, caughtUp: () => release() }, call.signal)) {
    if (since !== undefined && piece.at < since) continue;
    if (until !== undefined && piece.at > until) {
      if (follow) break;
      continue;
    }
    if (live || tail === undefined) write(piece);
    else if (tail > 0) {
      kept.push(piece);
      if (kept.length > 2 * tail) trim(kept, tail);
    }
  }
  release();

  /** What was kept back for --tail is written when there is no more for now; from then on everything is. */
  function release(): void {
    if (live) return;
    live = true;
    if (tail !== undefined) trim(kept, tail);
    for (const piece of kept.splice(0)) write(piece);
  }
}

/** Keeps the last lines; pieces that go on with a line belong to it. */
function trim(pieces: LogPiece[], lines: number): void {
  let count = 0;
  for (let at = pieces.length - 1; at >= 0; at--) {
    if (!pieces[at]?.begins) continue;
    if (++count === lines) {
      pieces.splice(0, at);
      return;
    }
  }
}

function readTail(text: string): number | undefined {
  if (text === "all" || text === "") return undefined;
  if (!/^-?\d{1,9}$/.test(text))
    throw new Failure("USAGE", `invalid value for "tail": ${printable(text)}: value must be "all" or a number`, { exit: 1 });
  return Number(text) < 0 ? undefined : Number(text);
}

/** RFC 3339 with nine digits of a second, as docker prints it. */
function timestamp(at: bigint): string {
  const seconds = new Date(Number(at / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(at % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}
