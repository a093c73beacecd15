import { isatty } from "node:tty";
import type { FailedScene } from "../../build/workshop.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { ownLowers } from "../../rootfs/open.ts";
import { runSandbox } from "../../sandbox/run.ts";
import type { SandboxMount } from "../../sandbox/spec.ts";
import { openShelf } from "../../shelf/shelf.ts";
import { sourceLayers } from "../../shelf/source-layers.ts";
import type { ContentStore } from "../../store/face.ts";
import { createTask, type Task } from "../../task/task.ts";
import { toPath } from "../../tree/path.ts";
import type { Invocation } from "../command.ts";

/** Where the tools are seen in a root that has no shell. */
const TOOLS = "/.nought";

/** `--debug-on-failure`: a shell in the root of the step that failed, the stage's own or the toolbox's. One at a time. */
export function lookInto(call: Invocation, store: ContentStore, task: Task): (scene: FailedScene) => Promise<void> {
  let turn: Promise<void> = Promise.resolve();
  return (scene) => {
    turn = turn.then(() => open(call, store, task, scene));
    return turn;
  };
}

async function open(call: Invocation, store: ContentStore, task: Task, scene: FailedScene): Promise<void> {
  const { label, failure, tree } = scene;
  const own = tree.lookup(toPath("/bin/sh")) !== undefined;
  try {
    const tools = own ? undefined : await toolsMount(call, store, createTask(undefined, task.signal));
    const spec = scene.open(tools ? [tools] : []);
    const terminal = isatty(0) && isatty(1);
    const path = spec.env.find((one) => one.startsWith("PATH=")) ?? "PATH=/bin";
    const env = [...spec.env.filter((one) => !/^(?:PATH|TERM)=/.test(one)), tools ? `${path}:${TOOLS}/bin` : path, "TERM=xterm"];
    const shell = tools ? `${TOOLS}/bin/sh` : "/bin/sh";
    call.err(
      `\n${printable(label)}: ${failure.message}\nThis is a shell in its root, as the step left it; the build goes on to fail when it ends.\n`,
    );
    const exit = await runSandbox({ ...spec, args: [shell], env, terminal }, { direct: true, stdin: "inherit" }, task);
    task.emit({ type: "note", text: `the shell ended with ${exit.code}` });
  } catch (error) {
    // The failure of the step is what counts.
    if (!(error instanceof Failure)) throw error;
    call.err(`no shell could be opened in the step's root: ${error.message}\n`);
  }
}

/** The tools that `nought debug` would take. */
async function toolsMount(call: Invocation, store: ContentStore, task: Task): Promise<SandboxMount> {
  const { toolsImage } = await import("../base/tools.ts");
  const shelf = openShelf(store, task);
  const image = await toolsImage(call, undefined, store, task);
  const layers = await sourceLayers(image.layers, shelf);
  using walk = shelf.walk();
  const { directories } = await ownLowers(store.dir, layers, walk.files, task);
  return { type: "layers", target: TOOLS, lowers: directories, path: "/", kind: "directory", readonly: true };
}
