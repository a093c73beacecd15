import { readlinkSync } from "node:fs";
import type { Container } from "../../container/face.ts";
import type { DebugRequest } from "../../debug/debug.ts";
import { type DebugTarget, findTarget } from "../../debug/target.ts";
import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { ownPrivileges } from "../../sandbox/privileges.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { ContentStore } from "../../store/face.ts";
import { createTask } from "../../task/task.ts";
import { readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { checkTerminal } from "../container/check-terminal.ts";
import { tellNotes } from "../container/notes.ts";
import type { Flags } from "../flags.ts";

/** `nought debug`: tools beside a container, a process or an image that has none. Its exit code is that of the tool. */
export async function run(call: Invocation): Promise<number> {
  const { flags, args, storeDir } = call;
  const [name = "", ...words] = args;
  const command = commandOf(flags, words);
  // A shell for somebody who sits at a terminal wants one.
  const atTerminal = !flags.given("interactive") && !flags.given("tty") && command.length === 0 && isTerminal(0) && isTerminal(1);
  const terminal = flags.bool("tty") || atTerminal;
  const interactive = flags.bool("interactive") || atTerminal;
  checkTerminal(terminal, interactive);
  const found = await findRunning(storeDir, name);
  // Before anything is opened: this starts nought anew.
  enterUserNamespace(process.env, found && "pid" in found ? debuggable(found.pid).process.pid : undefined);
  const store = await call.store();
  const task = createTask(tellNotes(call), call.signal);
  const subject = found ?? { image: await findImage(store, name) };
  const { toolsImage } = await import("../base/tools.ts");
  const toolbox = await toolsImage(call, flags.string("image"), store, task);
  const request = { ...requestOf(flags), toolbox, command, terminal };
  const io = { direct: true, ...(interactive ? { stdin: "inherit" as const } : {}) };
  const { debugFiles, debugImage, debugProcess } = await import("../../debug/debug.ts");
  const exit =
    "pid" in subject
      ? await debugProcess(store, findTarget(subject.pid), request, io, task)
      : "image" in subject
        ? await debugImage(store, subject.image, request, io, task)
        : await debugFiles(store, subject.lowers, request, io, task);
  return exit.code;
}

type Running = { readonly pid: number } | { readonly lowers: readonly string[] };

/**
 * What is meant if it is no image: a container by its name, a process by its number, a container by its id or the beginning of one. A
 * container that does not run is debugged like an image, with what it changed.
 */
async function findRunning(storeDir: string, name: string): Promise<Running | undefined> {
  const { findContainer, rootOf } = await import("../../container/face.ts");
  const ofContainer = (container: Container): Running => {
    if (container.state.pid !== undefined) return { pid: container.state.pid };
    const { lowers, upper } = rootOf(storeDir, container);
    return { lowers: [...lowers, upper] };
  };
  const container = attempt(() => findContainer(storeDir, name));
  if (container?.record.name === name) return ofContainer(container);
  const [, number] = /^(?:pid:)?(\d{1,7})$/.exec(name) ?? [];
  if (number !== undefined && (name.startsWith("pid:") || container === undefined || alive(Number(number)))) return { pid: Number(number) };
  return container && ofContainer(container);
}

/** Throws SANDBOX for a process among the machine's own users where we are none but one of them. */
function debuggable(pid: number): DebugTarget {
  const target = findTarget(pid);
  if (!ownPrivileges().mayMount && readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync("/proc/self/ns/user"))
    throw new Failure("SANDBOX", `process ${pid} is in no user namespace of yours, so that only root may join its other namespaces`, {
      hint: `Call nought as root: sudo nought debug ${pid}`,
    });
  return target;
}

async function findImage(store: ContentStore, name: string): Promise<Image> {
  const image = (await readCatalog(store)).find(name)?.image;
  if (image) return openImage(store, image.root, hostPlatform());
  throw new Failure("NOT_FOUND", `No such container, process or image: ${printable(name)}`, {
    hint: "`nought ps`, `ps -e` and `nought images` show what there is.",
  });
}

function alive(pid: number): boolean {
  return attempt(() => process.kill(pid, 0)) === true;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure && error.code !== "NOT_FOUND") throw error;
    return undefined;
  }
}

/** Empty: what the tools' image starts. */
function commandOf(flags: Flags, words: readonly string[]): readonly string[] {
  const shell = flags.string("shell");
  const line = flags.string("command");
  if (line !== undefined && words.length > 0) throw new Failure("USAGE", "a command is given twice: as --command and as words");
  if (line !== undefined) return [shell ?? "sh", "-c", line];
  return words.length > 0 || shell === undefined ? words : [shell];
}

function requestOf(flags: Flags): Pick<DebugRequest, "env" | "capAdd" | "privileged" | "user" | "workdir"> {
  const [user, workdir] = [flags.string("user"), flags.string("workdir")];
  return {
    env: flags.list("env").flatMap(variable),
    capAdd: flags.list("cap-add"),
    privileged: flags.bool("privileged"),
    ...(user === undefined ? {} : { user }),
    ...(workdir === undefined ? {} : { workdir }),
  };
}

/** `NAME` alone is taken from the environment, where it is there. */
function variable(text: string): readonly string[] {
  if (text.includes("=")) return [text];
  const value = process.env[text];
  return value === undefined ? [] : [`${text}=${value}`];
}
