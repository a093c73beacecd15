import { openInlet } from "../../build/inlet.ts";
import type { BuildRequest } from "../../build/request.ts";
import { review } from "../../build/review.ts";
import { checksJson, printChecks } from "../../dockerfile/checks-print.ts";
import type { Program } from "../../dockerfile/command.ts";
import { listTargets, outline, outlineJson, printOutline, printTargets, targetsJson } from "../../dockerfile/outline.ts";
import { parseDockerfile } from "../../dockerfile/parse.ts";
import { toProgram } from "../../dockerfile/program.ts";
import { globalScope } from "../../dockerfile/scope.ts";
import { Failure, Failures } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { createTask, type Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { remoteImages } from "../registry/remote.ts";
import { calmJson } from "../render/json.ts";
import type { Renderer } from "../render/progress.ts";

const PRINTABLE = ["syntax", "plan", "keys", "manifest"] as const;

/** What `--call` asks for: `check`, `check,format=json`, `outline,ignorestatus=true`. */
interface Question {
  readonly method: "check" | "outline" | "targets";
  readonly json: boolean;
  readonly ignoreStatus: boolean;
}

/** `--check`, `--call` and `--print`: answers about a Dockerfile instead of a build. The result is the exit code. */
export async function answer(call: Invocation, request: BuildRequest, asked: string, renderer: Renderer): Promise<number> {
  const task = createTask(renderer.listener, call.signal);
  if (asked === "build") {
    await printValue(call, request, task);
    return 0;
  }
  const question = readQuestion(asked);
  await using inlet = await openInlet(request, () => call.store(), task);
  const syntax = parseDockerfile(inlet.dockerfile, inlet.name);
  const program = toProgram(syntax);
  const [first, ...rest] = [...new Set([...syntax.errors, ...program.errors])];
  if (first) {
    if (question.method === "check" && question.json) call.out(json(checksJson([], syntax, first)));
    throw rest.length === 0 ? first : new Failures([first, ...rest]);
  }
  const platforms = { build: hostPlatform(), target: request.platform ?? hostPlatform() };
  if (question.method !== "check") {
    call.out(question.method === "targets" ? targets(program, question.json) : outlined(program, request, platforms, question.json));
    return 0;
  }
  const { findings, failure } = review(program, request, platforms, inlet);
  call.out(question.json ? json(checksJson(findings, syntax, failure)) : printChecks(findings, syntax, failure !== undefined));
  if (failure) throw failure;
  return findings.length > 0 && !question.ignoreStatus ? 1 : 0;
}

function readQuestion(text: string): Question {
  const [method = "", ...options] = text.split(",");
  const found = method === "lint" ? "check" : (["check", "outline", "targets"] as const).find((one) => one === method);
  if (!found) throw new Failure("USAGE", `--call ${printable(method)}: it is one of build, check, outline, targets`);
  const known = new Map(options.map((one) => [one.split("=")[0] as string, one.slice(one.indexOf("=") + 1)]));
  for (const [key, value] of known) {
    const fits = key === "format" ? value === "json" || value === "text" : key === "ignorestatus" && /^(?:true|false|1|0)$/.test(value);
    if (!fits) throw new Failure("USAGE", `invalid print field: ${printable(key)}=${printable(value)}`);
  }
  return { method: found, json: known.get("format") === "json", ignoreStatus: /^(?:true|1)$/.test(known.get("ignorestatus") ?? "") };
}

function targets(program: Program, asJson: boolean): string {
  const list = listTargets(program);
  return asJson ? json(targetsJson(list, program)) : ended(printTargets(list));
}

function outlined(
  program: Program,
  request: BuildRequest,
  { target, build }: { readonly target: ReturnType<typeof hostPlatform>; readonly build: ReturnType<typeof hostPlatform> },
  asJson: boolean,
): string {
  const global = globalScope(program, new Map(Object.entries(request.buildArgs)), target, build, request.target);
  const found = outline(program, { global, targetPlatform: target, ...(request.target === undefined ? {} : { target: request.target }) });
  return asJson ? json(outlineJson(found, program)) : ended(printOutline(found));
}

/** `--print`: one of the values a build goes through, as JSON on standard output. Throws USAGE, and what a build throws. */
async function printValue(call: Invocation, request: BuildRequest, task: Task): Promise<void> {
  const wanted = call.flags.string("print") ?? "";
  const what = PRINTABLE.find((one) => one === wanted);
  if (request.platforms && what !== "syntax")
    throw new Failure("UNSUPPORTED", `--print ${printable(wanted)} is for one platform at a time`);
  if (!what) throw new Failure("USAGE", `--print ${printable(wanted)}: it is one of ${PRINTABLE.join(", ")}`);
  const { print } = await import("../../build/print.ts");
  await using remote = remoteImages(call);
  call.out(ended(calmJson(await print(what, request, await call.store(), task, remote))));
}

function json(value: unknown): string {
  return `${calmJson(JSON.stringify(value, null, 2))}\n`;
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
