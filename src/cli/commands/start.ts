import { startContainer } from "../../container/detached.ts";
import { findContainer } from "../../container/face.ts";
import { findMachine } from "../../container/machine.ts";
import { removeContainer, sweepContainers } from "../../container/remove.ts";
import { Failure } from "../../kit/error.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";
import { enterForContainer } from "../container/enter.ts";
import { runAttached } from "../container/foreground.ts";
import { tellNotes } from "../container/notes.ts";

/** `nought start`: starts what was made or has ended; in the background, or with `-a` here. */
export async function run(call: Invocation): Promise<number> {
  const { flags, storeDir } = call;
  enterForContainer(storeDir, call.args[0] as string);
  const task = createTask(tellNotes(call), call.signal);
  await sweepContainers(storeDir);
  if (flags.bool("attach") || flags.bool("interactive")) {
    if (call.args.length > 1) throw new Failure("USAGE", "you cannot start and attach multiple containers at once", { exit: 1 });
    const container = findContainer(storeDir, call.args[0] as string);
    if (container.state.status === "running")
      throw new Failure("CONFLICT", `container ${container.record.id} runs already`, { hint: "See what it says with `nought attach`." });
    const exit = await runAttached(call, container, flags.bool("interactive"), task).catch((error: unknown) => {
      // Docker's start fails with 1, whatever the reason.
      throw error instanceof Failure && error.exit === 125 ? failingWith(error, 1) : error;
    });
    if (container.record.options.autoRemove) await removeContainer(storeDir, container);
    return exit.code;
  }
  return forEachWord(call, async (word) => {
    const container = findContainer(storeDir, word);
    if (container.state.status !== "running") {
      const machine = findMachine(container.record.options.runtime, (warning) => call.err(`WARNING: ${warning}\n`));
      await startContainer(storeDir, container, task, machine);
    }
    call.out(`${word}\n`);
  });
}

function failingWith(error: Failure, exit: number): Failure {
  return new Failure(error.code, error.message, { exit, cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
}
