import { findContainer } from "../../container/face.ts";
import { differences, readContainer } from "../../container/files/changes.ts";
import { printable } from "../../kit/printable.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";

/** `nought diff`: what a container added (A), changed (C) and deleted (D). */
export async function run(call: Invocation): Promise<void> {
  enterUserNamespace();
  const container = findContainer(call.storeDir, call.args[0] as string);
  const changed = await readContainer(
    await call.store(),
    container,
    createTask(() => {}, call.signal),
  );
  for (const { kind, path } of differences(changed)) call.out(`${kind} ${printable(path)}\n`);
}
