import { findContainer } from "../../container/face.ts";
import { stopContainer } from "../../container/stop.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";
import { removeIfTemporary, stopOptions } from "../container/stopping.ts";

/** `nought stop`: asks each to end, and ends it when it does not. */
export async function run(call: Invocation): Promise<number> {
  return forEachWord(call, async (word) => {
    const container = findContainer(call.storeDir, word);
    await stopContainer(container, stopOptions(call), call.signal);
    await removeIfTemporary(call, container);
    call.out(`${word}\n`);
  });
}
