import { findContainer } from "../../container/face.ts";
import { signalNumber } from "../../container/signal.ts";
import { killContainer } from "../../container/stop.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";

/** `nought kill`: sends a signal, SIGKILL without `-s`, and does not wait. */
export async function run(call: Invocation): Promise<number> {
  const signal = call.flags.string("signal") || "KILL";
  signalNumber(signal);
  return forEachWord(call, (word) => {
    killContainer(findContainer(call.storeDir, word), signal);
    call.out(`${word}\n`);
  });
}
