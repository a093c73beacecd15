import { findContainer } from "../../container/face.ts";
import { commitContainer } from "../../container/files/commit.ts";
import { freeze } from "../../container/files/freeze.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { parseNewName } from "../../oci/reference.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { nameImage } from "../../store/name-image.ts";
import { createTask } from "../../task/task.ts";
import { changedConfig } from "../build/changes.ts";
import { readEpoch } from "../build/epoch.ts";
import type { Invocation } from "../command.ts";

/** `nought commit`: an image of a container's files and settings. Prints its ID. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args } = call;
  const [text = "", target] = args;
  const name = target === undefined || target === "" ? undefined : parseNewName(target);
  const container = findContainer(call.storeDir, text);
  // To stop its processes one must be among its users.
  enterUserNamespace(process.env, container.state.pid);
  const { record } = container;
  const config = await changedConfig(flags.list("change"), record.config, parsePlatform(record.image.platform));
  const epoch = await readEpoch(undefined, undefined, call.env["SOURCE_DATE_EPOCH"], { kind: "none" });
  const [author, message] = [flags.string("author"), flags.string("message")];
  const task = createTask(() => {}, call.signal);
  const store = await call.store();
  const facts = { created: epoch ?? Math.floor(Date.now() / 1000), config, ...(author ? { author } : {}), ...(message ? { message } : {}) };
  await using _still = flags.bool("pause") ? freeze(container) : undefined;
  const image = await commitContainer(store, container, facts, task);
  if (name) await nameImage(store, name, image.descriptor, task);
  else await store.keep(image.descriptor);
  await store.flush();
  call.out(`${image.configDescriptor.digest}\n`);
}
