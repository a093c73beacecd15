import { findContainer } from "../../container/face.ts";
import { isStarting } from "../../container/process.ts";
import { removeContainer, sweepContainers } from "../../container/remove.ts";
import { killAndWait } from "../../container/stop.ts";
import { Failure } from "../../kit/error.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";

/** `nought rm`: removes containers that do not run; with `-f` also those that do, and what is not there is no failure. */
export async function run(call: Invocation): Promise<number> {
  const force = call.flags.bool("force");
  // Before the user namespace is entered: from inside nothing of an older one can be signalled.
  if (force) for (const word of call.args) await endRunning(call, word);
  enterUserNamespace();
  await sweepContainers(call.storeDir);
  return forEachWord(call, async (word) => {
    try {
      const container = findContainer(call.storeDir, word);
      if (container.state.status === "running" || isStarting(container.state))
        throw new Failure(
          "CONFLICT",
          `cannot remove container "${container.record.name}": container is running: stop the container before removing or force remove`,
          { hint: `nought rm -f ${container.record.name}` },
        );
      await removeContainer(call.storeDir, container);
    } catch (error) {
      if (!(force && error instanceof Failure && error.code === "NOT_FOUND")) throw error;
    }
    call.out(`${word}\n`);
  });
}

async function endRunning(call: Invocation, word: string): Promise<void> {
  try {
    const container = findContainer(call.storeDir, word);
    if (container.state.status === "running") await killAndWait(container, call.signal);
  } catch (error) {
    if (!(error instanceof Failure) || error.code === "INTERRUPTED") throw error;
  }
}
