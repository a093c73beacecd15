import { asExecFailure, execSpec, execTarget } from "../../container/exec.ts";
import { findContainer } from "../../container/face.ts";
import { execDetached, execInside } from "../../sandbox/exec.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { checkTerminal } from "../container/check-terminal.ts";
import { readVariables } from "../container/pairs-file.ts";

/** `nought exec`: a further process in a running container, with its exit code. */
export async function run(call: Invocation): Promise<number> {
  const { flags, args, env } = call;
  const terminal = flags.bool("tty");
  const interactive = flags.bool("interactive");
  const detached = flags.bool("detach");
  if (!detached) checkTerminal(terminal, interactive);
  const container = findContainer(call.storeDir, args[0] as string);
  const target = execTarget(container);
  const [user, workdir] = [flags.string("user"), flags.string("workdir")];
  const spec = execSpec(container, {
    args: args.slice(1),
    env: readVariables(flags.list("env-file"), flags.list("env"), env),
    ...(user ? { user } : {}),
    ...(workdir ? { workdir } : {}),
    terminal,
    privileged: flags.bool("privileged"),
  });
  const task = createTask(() => {}, call.signal);
  try {
    if (detached) {
      await execDetached(target, spec, task);
      return 0;
    }
    const exit = await execInside(target, spec, { direct: true, ...(interactive ? { stdin: "inherit" as const } : {}) }, task);
    return exit.code;
  } catch (error) {
    throw asExecFailure(error, container);
  }
}
