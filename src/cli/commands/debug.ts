import type { Container } from "../../container/face.ts";
import type { DebugRequest } from "../../debug/debug.ts";
import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { familiarName } from "../../oci/reference.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { ContentStore } from "../../store/face.ts";
import { createTask, type Task } from "../../task/task.ts";
import { noSuchImage, readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";

/** `nought debug`: tools beside a container, a process or an image that has none. Its exit code is that of the tool. */
export async function run(call: Invocation): Promise<number> {
  enterUserNamespace();
  const { flags, args, storeDir } = call;
  const [name = "", ...words] = args;
  const store = await call.store();
  const task = createTask((event) => event.type === "note" && call.err(`nought: ${event.text}\n`), call.signal);
  const found = await findSubject(store, storeDir, name);
  const toolbox = await toolboxOf(call, store, task);
  const { debugFiles, debugImage, debugProcess } = await import("../../debug/debug.ts");
  const request = requestOf(call, toolbox, words);
  const interactive = flags.bool("interactive") || request.terminal;
  if (request.terminal && interactive && !isTerminal(0)) throw new Failure("USAGE", "the input device is not a TTY", { exit: 1 });
  const io = { direct: true, ...(interactive ? { stdin: "inherit" as const } : {}) };
  const exit =
    "pid" in found
      ? await debugProcess(store, (await import("../../debug/target.ts")).findTarget(found.pid), request, io, task)
      : "image" in found
        ? await debugImage(store, found.image, request, io, task)
        : await debugFiles(store, found.lowers, request, io, task);
  return exit.code;
}

type Subject = { readonly pid: number } | { readonly image: Image } | { readonly lowers: readonly string[] };

/**
 * What is meant: a container by its name, a process by its number, a container by its id or the beginning of one, an image. A container that
 * does not run is debugged like an image, with what it changed.
 */
async function findSubject(store: ContentStore, storeDir: string, name: string): Promise<Subject> {
  const { findContainer, rootOf } = await import("../../container/face.ts");
  const ofContainer = (container: Container): Subject => {
    if (container.state.pid !== undefined) return { pid: container.state.pid };
    const { lowers, upper } = rootOf(storeDir, container);
    return { lowers: [...lowers, upper] };
  };
  const container = attempt(() => findContainer(storeDir, name));
  if (container?.record.name === name) return ofContainer(container);
  const [, number] = /^(?:pid:)?(\d{1,7})$/.exec(name) ?? [];
  if (number !== undefined && (name.startsWith("pid:") || container === undefined || alive(Number(number)))) return { pid: Number(number) };
  if (container) return ofContainer(container);
  const image = (await readCatalog(store)).find(name)?.image;
  if (image) return { image: await openImage(store, image.root, hostPlatform()) };
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

/** The image whose tools are used: the one that is asked for, else the toolbox that is made here. */
async function toolboxOf(call: Invocation, store: ContentStore, task: Task): Promise<Image> {
  const { TOOLBOX, toolboxImage } = await import("../../debug/toolbox.ts");
  const asked = call.flags.string("image");
  if (asked === undefined || asked === "toolbox" || asked === familiarName(TOOLBOX)) return toolboxImage(store, task);
  const found = (await readCatalog(store)).find(asked)?.image;
  if (!found) throw noSuchImage(asked);
  return openImage(store, found.root, hostPlatform());
}

function requestOf({ flags }: Invocation, toolbox: Image, words: readonly string[]): DebugRequest {
  const shell = flags.string("shell");
  const line = flags.string("command");
  if (line !== undefined && words.length > 0) throw new Failure("USAGE", "a command is given twice: as --command and as words");
  const command = line !== undefined ? [shell ?? "sh", "-c", line] : words.length > 0 || shell === undefined ? words : [shell];
  const asked = flags.given("interactive") || flags.given("tty");
  const [user, workdir] = [flags.string("user"), flags.string("workdir")];
  return {
    toolbox,
    command,
    env: flags.list("env").flatMap(variable),
    capAdd: flags.list("cap-add"),
    privileged: flags.bool("privileged"),
    // A shell for somebody who sits at a terminal wants one.
    terminal: asked ? flags.bool("tty") : command.length === 0 && isTerminal(0) && isTerminal(1),
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
