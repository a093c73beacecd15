import { type Container, findContainer, requireRunning } from "../../container/face.ts";
import { readLog } from "../../container/logs.ts";
import { resizeTerminal } from "../../container/resize.ts";
import { signalNumber, signalProcess } from "../../container/signal.ts";
import { waitContainer } from "../../container/stop.ts";
import type { ProcessIdentity } from "../../kit/liveness.ts";
import { attachInput } from "../../sandbox/attach.ts";
import { rawTerminal, restoreTerminal } from "../../sandbox/raw.ts";
import { createTask, type Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { checkTerminal } from "../container/check-terminal.ts";
import { readDetachKeys, untilKeys } from "../container/detach-keys.ts";
import { proxySignals } from "../container/signals.ts";
import { writeAll } from "../output.ts";

/**
 * `nought attach`: what a running container says from now on, and our input to it where it was started with `-i`. Ends with the container
 * and its exit code, or when the keys are typed; then the container goes on.
 */
export async function run(call: Invocation): Promise<number> {
  const { flags, storeDir } = call;
  const container = findContainer(storeDir, call.args[0] as string);
  requireRunning(container);
  const { record, places, state } = container;
  const target = state.started?.process as ProcessIdentity;
  const { terminal, interactive, detached } = record.options;
  const keys = readDetachKeys(flags.string("detach-keys"));
  // What a nought in the foreground reads itself nobody else can bring.
  const input = interactive && detached && !flags.bool("no-stdin");
  checkTerminal(terminal, input);
  using proxy = proxySignals(flags.bool("sig-proxy") && !(terminal && input), call.signal);
  proxy.connect((name) => void signalProcess(target, signalNumber(name)));
  const done = new AbortController();
  const task = createTask(() => {}, AbortSignal.any([proxy.signal, done.signal]));
  let left = false;
  const detach = () => {
    left = true;
    done.abort();
  };
  const bringing = input ? bringInput(container, target, keys, detach, task) : undefined;
  try {
    for await (const { stream, bytes } of readLog(places, { follow: true, end: true, raw: true }, task.signal)) writeAll(stream, bytes);
  } catch (error) {
    if (!left) throw error;
  } finally {
    done.abort();
    await bringing;
  }
  if (left) return 0;
  return waitContainer(storeDir, container, call.signal);
}

/** Brings what is typed or piped in until the container ends or is left. Trouble with it ends nothing: the output is still to be read. */
async function bringInput({ record }: Container, target: ProcessIdentity, keys: Uint8Array, detach: () => void, task: Task): Promise<void> {
  const { terminal } = record.options;
  const size = () => resizeTerminal(target.pid, process.stdout.rows ?? 24, process.stdout.columns ?? 80);
  const settings = terminal ? rawTerminal() : undefined;
  const back = () => {
    if (settings) restoreTerminal(settings);
  };
  if (settings) {
    // Node's own raw mode would still add carriage returns to output.
    restoreTerminal({ ...settings, saved: settings.raw });
    process.on("exit", back);
    size();
    process.stdout.on("resize", size);
  }
  try {
    await attachInput(target, terminal ? untilKeys(process.stdin, keys, detach) : "inherit", { terminal }, task);
  } catch {
    // Ended, left, or never with a way in.
  } finally {
    process.stdout.off("resize", size);
    process.off("exit", back);
    back();
    if (terminal) process.stdin.pause();
  }
}
