import { Failure } from "../../kit/error.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { familiarName } from "../../oci/reference.ts";
import { createTask } from "../../task/task.ts";
import { standardInput } from "../build/stdin.ts";
import type { Invocation } from "../command.ts";
import { barsFor } from "../render/bars.ts";

/** `nought load`: all images of an archive; nothing is named unless all of it is good. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const input = flags.string("input");
  if (input === undefined && isTerminal(0))
    throw new Failure("USAGE", "requested load from stdin, but stdin is empty: give -i FILE or pipe an archive");
  if (flags.given("platform")) {
    throw new Failure("UNSUPPORTED", "load takes every platform that an archive has", {
      hint: "Choose the platform when you use the image: save, history and image inspect take --platform.",
    });
  }
  const bars = barsFor(call.env, flags.bool("quiet"));
  const task = createTask(bars.listener, call.signal);
  const { loadArchive } = await import("../../place/load.ts");
  const store = await call.store();
  try {
    const source = input === undefined || input === "-" ? { stream: standardInput(call.signal) } : { path: input };
    const loaded = await loadArchive(store, source, task);
    bars.finish();
    for (const { names, id, moved } of loaded) {
      for (const { name, fromId } of moved) {
        call.out(`The image ${familiarName(name)} already exists, renaming the old one with ID ${fromId} to empty string\n`);
      }
      for (const name of names) call.out(`Loaded image: ${familiarName(name)}\n`);
      if (names.length === 0) call.out(`Loaded image ID: ${id}\n`);
    }
  } finally {
    bars.finish();
  }
}
