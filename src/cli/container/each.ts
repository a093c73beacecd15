import { Failure } from "../../kit/error.ts";
import type { Invocation } from "../command.ts";
import { renderFailure } from "../render/failure.ts";

/**
 * Does something for each word of a command, and goes on when one fails: its failure is told, and the exit code is 1 in the end. An
 * interruption ends it all.
 */
export async function forEachWord(call: Invocation, work: (word: string) => Promise<void> | void): Promise<number> {
  let failed = false;
  for (const word of call.args) {
    try {
      await work(word);
    } catch (error) {
      if (!(error instanceof Failure) || error.code === "INTERRUPTED") throw error;
      call.err(renderFailure(error));
      failed = true;
    }
  }
  return failed ? 1 : 0;
}
