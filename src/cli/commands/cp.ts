import { findContainer } from "../../container/face.ts";
import { type CopyHow, checkWritable, copyIn, copyOut, copyOutTo, writerInto } from "../../container/files/cp.ts";
import { readTar } from "../../container/files/read-tar.ts";
import { openView } from "../../container/files/view.ts";
import { TarItems } from "../../container/files/write-tar.ts";
import { userOf } from "../../container/spec.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { createTask, type Task } from "../../task/task.ts";
import { standardInput } from "../build/stdin.ts";
import type { Invocation } from "../command.ts";
import { humanSize } from "../render/human.ts";
import { namesTransport } from "../transfer/word.ts";

/** `nought cp`: files and folders between a container, running or not, and the host. */
export async function run(call: Invocation): Promise<void> {
  const [from = "", to = ""] = call.args;
  if (isTransfer(from, to)) return (await import("./copy.ts")).run(call);
  const [source, destination] = [readPlace(from), readPlace(to)];
  if (source.container !== undefined && destination.container !== undefined)
    throw new Failure("USAGE", "copying between containers is not supported", { exit: 1 });
  const name = source.container ?? destination.container;
  if (name === undefined) throw new Failure("USAGE", "must specify at least one container source", { exit: 1 });
  // The files of a running container are reached through its process.
  enterUserNamespace(process.env, findContainer(call.storeDir, name).state.pid);
  const task = createTask(() => {}, call.signal);
  const bytes =
    source.container === undefined
      ? await into(call, name, source.path, destination.path, task)
      : await outOf(call, name, source.path, destination.path, task);
  const quiet = call.flags.given("quiet") ? call.flags.bool("quiet") : !isTerminal(1);
  if (!quiet && bytes !== undefined) call.err(`Successfully copied ${humanSize(bytes, 4)} to ${printable(to)}\n`);
}

async function outOf(call: Invocation, name: string, path: string, to: string, task: Task): Promise<number | undefined> {
  const container = findContainer(call.storeDir, name);
  await using view = await openView(call.storeDir, container, false);
  const how = howOf(call, "mine");
  if (to !== "-") return await copyOut(view.root, name, path, to, how, task);
  if (isTerminal(1)) throw new Failure("USAGE", "refusing to write a tar archive to a terminal: redirect it", { exit: 1 });
  await copyOutTo(view.root, name, path, how, new TarItems((chunk) => call.out(chunk)), task);
  return undefined;
}

async function into(call: Invocation, name: string, from: string, path: string, task: Task): Promise<number | undefined> {
  const container = findContainer(call.storeDir, name);
  const user = container.record.config.User;
  await using view = await openView(call.storeDir, container, true);
  checkWritable(container, path);
  const how = howOf(call, call.flags.bool("archive") && user ? userOf(container.record, container.places, user) : "keep");
  if (from !== "-") return await copyIn(view.root, name, from, path, how, task);
  await readTar(standardInput(call.signal), writerInto(view.root, name, path, how), task);
  return undefined;
}

function howOf(call: Invocation, owner: CopyHow["owner"]): CopyHow {
  return { follow: call.flags.bool("follow-link"), owner, note: (text) => call.err(`nought: ${text}\n`) };
}

/** Images are copied with this word too: `docker://` says so, or two places of which none is a file and one names another transport. */
function isTransfer(from: string, to: string): boolean {
  if ([from, to].some((one) => one.startsWith("docker://"))) return true;
  const both = [from, to].every((one) => namesTransport(one) || readPlace(one).container !== undefined);
  return both && [from, to].some(namesTransport);
}

/** `CONTAINER:PATH`, or a path of the host: one that begins with a slash or a dot, or has no colon, or a slash before it. */
function readPlace(text: string): { readonly container?: string; readonly path: string } {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || text.startsWith(".") || colon <= 0 || text.slice(0, colon).includes("/")) return { path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
