import type { Container } from "../../container/face.ts";
import { runForeground } from "../../container/foreground.ts";
import { openLog } from "../../container/log-write.ts";
import { findMachine } from "../../container/machine.ts";
import type { SandboxExit } from "../../sandbox/spec.ts";
import { createTask, type Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { writeAll } from "../output.ts";
import { checkTerminal } from "./check-terminal.ts";
import { proxySignals } from "./signals.ts";

/**
 * Runs a container here and now: its output is ours, its input too where it is interactive, and signals are handed on. What a container
 * with `--rm` says is kept nowhere; others have a log beside. Gives how it ended.
 */
export async function runAttached(call: Invocation, container: Container, interactive: boolean, task: Task): Promise<SandboxExit> {
  const { terminal, autoRemove, runtime } = container.record.options;
  checkTerminal(terminal, interactive);
  const machine = findMachine(runtime, (warning) => call.err(`WARNING: ${warning}\n`));
  using proxy = proxySignals(proxied(call) && !(terminal && interactive), call.signal);
  using log = autoRemove ? undefined : openLog(container.places);
  const inner = createTask((event) => task.emit(event), proxy.signal);
  return await runForeground(
    call.storeDir,
    container,
    {
      ...(log
        ? {
            out(stream, chunk, at) {
              log.write(stream, chunk, at);
              writeAll(stream, chunk);
            },
          }
        : { direct: true }),
      ...(interactive ? { stdin: "inherit" as const } : {}),
      started: (control) => proxy.connect((name) => control.signal(name)),
    },
    inner,
    machine,
  );
}

function proxied(call: Invocation): boolean {
  return !call.command.flags.some((flag) => flag.name === "sig-proxy") || call.flags.bool("sig-proxy");
}
