import { startContainer } from "../../container/detached.ts";
import { asStartFailure } from "../../container/foreground.ts";
import { findMachine } from "../../container/machine.ts";
import { makeContainer } from "../../container/make.ts";
import { removeContainer, sweepContainers } from "../../container/remove.ts";
import { Failure } from "../../kit/error.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { checkTerminal } from "../container/check-terminal.ts";
import { writeIdFile } from "../container/cidfile.ts";
import { enterBeside } from "../container/enter.ts";
import { runAttached } from "../container/foreground.ts";
import { findImage } from "../container/image.ts";
import { tellNotes } from "../container/notes.ts";
import { checkCreateFlags, readCreateRequest } from "../container/request.ts";
import { withToolsHint } from "../container/tools-hint.ts";

/** `nought run`: makes a container and starts it, here or in the background. The exit code is the program's. */
export async function run(call: Invocation): Promise<number> {
  const { flags, storeDir } = call;
  const mode = (name: string) => flags.string(name) ?? "";
  try {
    enterBeside(storeDir, { pid: mode("pid"), ipc: mode("ipc"), uts: mode("uts"), network: mode("network") });
    checkCreateFlags(call);
    const detached = flags.bool("detach");
    const task = createTask(tellNotes(call), call.signal);
    await sweepContainers(storeDir);
    const image = await findImage(call, call.args[0] as string, task);
    if (!detached) checkTerminal(flags.bool("tty"), flags.bool("interactive"));
    using idFile = writeIdFile(flags.string("cidfile"));
    const container = await makeContainer(await call.store(), readCreateRequest(call, image, detached), task);
    idFile.write(container.record.id);
    const { options, id } = container.record;
    if (detached) {
      const machine = findMachine(options.runtime, (warning) => call.err(`WARNING: ${warning}\n`));
      try {
        await startContainer(storeDir, container, task, machine);
      } catch (error) {
        if (options.autoRemove) await removeContainer(storeDir, container);
        throw error;
      }
      call.out(`${id}\n`);
      return 0;
    }
    try {
      return (await runAttached(call, container, options.interactive, task)).code;
    } finally {
      if (options.autoRemove) await removeContainer(storeDir, container);
    }
  } catch (error) {
    if (error instanceof Failure && error.code === "USAGE") throw error.exit === 2 ? new Failure("USAGE", error.message) : error;
    throw withToolsHint(asStartFailure(error), call.args[0] as string);
  }
}
