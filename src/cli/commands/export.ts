import { findContainer } from "../../container/face.ts";
import { exportContainer } from "../../container/files/export.ts";
import { Failure } from "../../kit/error.ts";
import { writeOutput } from "../../kit/output.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";

/** `nought export`: the files of a container as one tar, to a file or to standard output. */
export async function run(call: Invocation): Promise<void> {
  const path = call.flags.string("output");
  if (path === undefined && isTerminal(1))
    throw new Failure("USAGE", "cowardly refusing to save to a terminal. Use the -o flag or redirect", { exit: 1 });
  enterUserNamespace();
  const container = findContainer(call.storeDir, call.args[0] as string);
  const store = await call.store();
  const task = createTask(() => {}, call.signal);
  await writeOutput(path === undefined ? { stream: process.stdout, signal: call.signal } : { file: path }, (sink) =>
    exportContainer(store, container, sink, task),
  );
}
