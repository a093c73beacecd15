import { findContainer } from "../../container/face.ts";
import { waitContainer } from "../../container/stop.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";

/** `nought wait`: waits for the end of each and prints its exit code. */
export async function run(call: Invocation): Promise<number> {
  return forEachWord(call, async (word) => {
    call.out(`${await waitContainer(call.storeDir, findContainer(call.storeDir, word), call.signal)}\n`);
  });
}
