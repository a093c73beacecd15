import { startContainer } from "../../container/detached.ts";
import { findContainer, readContainer } from "../../container/face.ts";
import { findMachine } from "../../container/machine.ts";
import { stopContainer } from "../../container/stop.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";
import { enterForContainer } from "../container/enter.ts";
import { tellNotes } from "../container/notes.ts";
import { stopOptions } from "../container/stopping.ts";

/** `nought restart`: stop, then start. Stopped first, because from inside another user namespace nothing can be signalled. */
export async function run(call: Invocation): Promise<number> {
  const task = createTask(tellNotes(call), call.signal);
  const running = call.args.flatMap((word) => {
    try {
      return [findContainer(call.storeDir, word)];
    } catch {
      return []; // Told below.
    }
  });
  for (const one of running) await stopContainer(one, stopOptions(call), call.signal);
  enterForContainer(call.storeDir, call.args[0] as string);
  return forEachWord(call, async (word) => {
    const { record } = findContainer(call.storeDir, word);
    const container = readContainer(call.storeDir, record.id) ?? findContainer(call.storeDir, word);
    const machine = findMachine(record.options.runtime, (warning) => call.err(`WARNING: ${warning}\n`));
    await startContainer(call.storeDir, container, task, machine);
    call.out(`${word}\n`);
  });
}
