import { createReadStream, statSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hostPlatform, parsePlatform } from "../../oci/platform.ts";
import { parseNewName } from "../../oci/reference.ts";
import { nameImage } from "../../store/name-image.ts";
import { createTask, type Task } from "../../task/task.ts";
import { changedConfig } from "../build/changes.ts";
import { download } from "../build/download.ts";
import { readEpoch } from "../build/epoch.ts";
import { standardInput } from "../build/stdin.ts";
import type { Invocation } from "../command.ts";
import { barsFor } from "../render/bars.ts";

/** `nought import`: the tar of a file system becomes an image of one layer. Prints its ID. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args } = call;
  const [source = "", target] = args;
  const name = target === undefined ? undefined : parseNewName(target);
  const platform = flags.given("platform") ? parsePlatform(flags.string("platform") as string) : hostPlatform();
  const config = await changedConfig(flags.list("change"), undefined, platform);
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
