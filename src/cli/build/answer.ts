import type { BuildRequest } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import type { Renderer } from "../render/progress.ts";

const PRINTABLE = ["syntax", "plan", "keys", "manifest"] as const;

/** `--check`, `--call` and `--print`: answers about a Dockerfile instead of a build. The result is the exit code. */
export async function answer(call: Invocation, request: BuildRequest, asked: string, renderer: Renderer): Promise<number> {
  if (asked === "build") {
    await printValue(call, request, renderer);
    return 0;
  }
  const [method = "", ...options] = asked.split(",");
  const json = options.includes("format=json");
  if (options.some((option) => option !== "format=json" && option !== "format=text")) {
    throw new Failure("USAGE", `--call ${printable(asked)}: only format=json and format=text are known`);
  }
  const { ask } = await import("../../build/ask.ts");
  const task = createTask(renderer.listener, call.signal);
  const { text, failed } = await ask(method, json, request, call.store, task);
  call.out(text);
  return failed ? 1 : 0;
}

/** `--print`: one of the values a build goes through, as JSON on standard output. Throws USAGE, and what a build throws. */
async function printValue(call: Invocation, request: BuildRequest, renderer: Renderer): Promise<void> {
  const wanted = call.flags.string("print") ?? "";
  const what = PRINTABLE.find((one) => one === wanted);
  if (!what) throw new Failure("USAGE", `--print ${printable(wanted)}: it is one of ${PRINTABLE.join(", ")}`);
  const { print } = await import("../../build/print.ts");
  const text = await print(what, request, await call.store(), createTask(renderer.listener, call.signal));
  call.out(text.endsWith("\n") ? text : `${text}\n`);
}
