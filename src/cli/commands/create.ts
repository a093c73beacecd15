import { makeContainer } from "../../container/make.ts";
import { sweepContainers } from "../../container/remove.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { writeIdFile } from "../container/cidfile.ts";
import { findImage } from "../container/image.ts";
import { tellNotes } from "../container/notes.ts";
import { checkCreateFlags, readCreateRequest } from "../container/request.ts";

/** `nought create`: makes a container, starts nothing, and prints its id. */
export async function run(call: Invocation): Promise<void> {
  enterUserNamespace();
  checkCreateFlags(call);
  const task = createTask(tellNotes(call), call.signal);
  await sweepContainers(call.storeDir);
  const image = await findImage(call, call.args[0] as string, task);
  using idFile = writeIdFile(call.flags.string("cidfile"));
  const { record } = await makeContainer(await call.store(), readCreateRequest(call, image, true), task);
  idFile.write(record.id);
  call.out(`${record.id}\n`);
}
