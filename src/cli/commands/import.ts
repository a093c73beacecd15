import { createReadStream, statSync } from "node:fs";
import { plan } from "../../build/plan/plan.ts";
import { parseDockerfile } from "../../dockerfile/parse.ts";
import { toProgram } from "../../dockerfile/program.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { ContainerConfig } from "../../oci/config.ts";
import { hostPlatform, type Platform, parsePlatform } from "../../oci/platform.ts";
import { parseNewName } from "../../oci/reference.ts";
import { nameImage } from "../../store/name-image.ts";
import { createTask, type Task } from "../../task/task.ts";
import { download } from "../build/download.ts";
import { readEpoch } from "../build/epoch.ts";
import { standardInput } from "../build/stdin.ts";
import type { Invocation } from "../command.ts";
import { barsFor } from "../render/bars.ts";

const CHANGES = new Set([
  "CMD",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "HEALTHCHECK",
  "LABEL",
  "ONBUILD",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
]);

/** `nought import`: the tar of a file system becomes an image of one layer. Prints its ID. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args } = call;
  const [source = "", target] = args;
  const name = target === undefined ? undefined : parseNewName(target);
  const platform = flags.given("platform") ? parsePlatform(flags.string("platform") as string) : hostPlatform();
  const config = await changed(flags.list("change"), platform);
  const bars = barsFor(call.env, false);
  const task = createTask(bars.listener, call.signal);
  const store = await call.store();
  try {
    const [{ importTar }, bytes] = await Promise.all([import("../../place/import.ts"), open(source, call, task)]);
    const created = await readEpoch(undefined, undefined, call.env["SOURCE_DATE_EPOCH"], { kind: "none" });
    const message = flags.string("message") || "Imported from -";
    const image = await importTar(store, bytes, { config, message, platform, ...(created === undefined ? {} : { created }) }, task);
    const root = image.descriptor;
    if (name) await nameImage(store, name, root, task);
    else await store.keep(root);
    await store.flush();
    bars.finish();
    call.out(`${image.configDescriptor.digest}\n`);
  } finally {
    bars.finish();
  }
}

/** The config that `-c` instructions make, planned as those of a Dockerfile FROM scratch are. Throws SYNTAX, USAGE. */
async function changed(changes: readonly string[], platform: Platform): Promise<ContainerConfig> {
  if (changes.length === 0) return {};
  for (const change of changes) {
    const word = /^\s*(\S*)/.exec(change)?.[1] ?? "";
    if (!CHANGES.has(word.toUpperCase())) throw new Failure("USAGE", `${printable(word)} is not a valid change command`, { exit: 1 });
    if (/[\r\n]/.test(change)) throw new Failure("USAGE", `-c ${printable(change)}: one instruction, on one line`, { exit: 1 });
  }
  const program = toProgram(parseDockerfile(["FROM scratch", ...changes].join("\n"), "--change"));
  const [wrong] = program.errors;
  if (wrong) throw wrong;
  const none = { context: { kind: "none" }, dockerfile: { kind: "text", text: "" } } as const;
  const nothing = {
    names: [],
    buildArgs: {},
    labels: {},
    annotations: {},
    contexts: {},
    noCacheFilter: [],
    addHosts: [],
    secrets: [],
    ssh: [],
    outputs: [],
  };
  const graph = await plan(
    program,
    { ...none, ...nothing, noCache: false, pull: false },
    { target: platform, build: platform },
    { image: never },
  );
  const { Env = [], ...config } = graph.stages.get(0)?.config ?? {};
  // FROM scratch gives a PATH, which an imported file system has of itself or not at all.
  const given = changes.some((one) => /\bPATH\b/.test(one)) ? Env : Env.filter((one) => !one.startsWith("PATH="));
  return given.length > 0 ? { ...config, Env: given } : config;
}

async function never(): Promise<never> {
  throw new Failure("USAGE", "-c cannot name images");
}

async function open(source: string, call: Invocation, task: Task): Promise<AsyncIterable<Buffer>> {
  if (source === "-") return standardInput(call.signal);
  if (/^https?:\/\//i.test(source)) {
    const path = await (await call.store()).temporary();
    await download(source, path, task);
    return createReadStream(path, { highWaterMark: 1 << 20 });
  }
  const facts = statSync(source, { throwIfNoEntry: false });
  if (!facts) throw new Failure("NOT_FOUND", `open ${printable(source)}: no such file or directory`);
  if (facts.isDirectory()) throw new Failure("NOT_FOUND", `${printable(source)} is a folder, not a tar archive`);
  return createReadStream(source, { highWaterMark: 1 << 20 });
}
