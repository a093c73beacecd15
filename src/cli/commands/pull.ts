import { Failure } from "../../kit/error.ts";
import { hexOf } from "../../oci/digest.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { familiarName, familiarRepository, formatReference, type Reference, SCRATCH_RESERVED } from "../../oci/reference.ts";
import { type Surroundings, surroundings } from "../../registry/surroundings.ts";
import { createTask, type Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { shortLabels } from "../registry/labels.ts";
import { type Pulled, pullImage, takeRoot } from "../registry/pull.ts";
import { barsFor } from "../render/bars.ts";
import { isScratch } from "../scratch.ts";

/** `nought pull`: an image of a registry into the store, told in docker's words. */
export async function run(call: Invocation): Promise<void> {
  const [text = ""] = call.args;
  if (isScratch(text))
    throw new Failure("RESERVED", SCRATCH_RESERVED, { hint: "There is nothing to fetch: `FROM scratch` is where an image begins." });
  const quiet = call.flags.bool("quiet");
  const given = call.flags.string("platform");
  const platform = given === undefined ? undefined : parsePlatform(given);
  const bars = barsFor(call.env, quiet);
  const task = createTask(shortLabels(bars.listener), call.signal);
  const around = surroundings(call.env, task);
  try {
    if (call.flags.bool("all-tags")) return await pullAll(call, text, platform, around, task, quiet, bars.finish);
    const [first] = await around.candidates(text);
    if (!quiet && first && first.tag === undefined && first.digest === undefined) call.out("Using default tag: latest\n");
    const begin = (name: Reference) => quiet || call.out(`${name.tag ?? name.digest}: Pulling from ${name.repository}\n`);
    const pulled = await pullImage({ text, platform, begin }, await call.store(), around, task);
    if (call.flags.bool("referrers")) await pullReferrers(call, pulled, around, task);
    bars.finish();
    tell(call, pulled, quiet);
  } finally {
    bars.finish();
  }
}

function tell(call: Invocation, { name, root, changed, layers }: Pulled, quiet: boolean): void {
  if (!quiet) {
    for (const { digest, what } of layers) call.out(`${hexOf(digest).slice(0, 12)}: ${what}\n`);
    call.out(`Digest: ${root.digest}\n`);
    call.out(`Status: ${changed ? "Downloaded newer image" : "Image is up to date"} for ${familiarName(name)}\n`);
  }
  call.out(`${formatReference(name)}\n`);
}

/** What refers to an image that was pulled, and to those manifests of it that are here. */
async function pullReferrers(call: Invocation, { name, root }: Pulled, around: Surroundings, task: Task): Promise<void> {
  const [{ openRepository }, { alongToStore }] = await Promise.all([
    import("../../registry/repository.ts"),
    import("../transfer/along.ts"),
  ]);
  await using from = await openRepository(name, { ...around, access: "pull" }, task);
  const source = { from, root, stored: false, name, referrers: from.referrers, async [Symbol.asyncDispose]() {} };
  await alongToStore(source, await call.store(), root, task);
}

/** Every tag of a repository, one after the other over the same connections. */
async function pullAll(
  call: Invocation,
  text: string,
  platform: ReturnType<typeof parsePlatform> | undefined,
  around: Surroundings,
  task: Task,
  quiet: boolean,
  done: () => void,
): Promise<void> {
  const [bare, ...others] = await around.candidates(text);
  if (!bare || bare.tag !== undefined || bare.digest !== undefined) throw new Failure("USAGE", "tag can't be used with --all-tags/-a");
  if (others.length > 0) throw new Failure("USAGE", "--all-tags needs a name with its registry");
  const { openRepository } = await import("../../registry/repository.ts");
  await using from = await openRepository(bare, { ...around, access: "pull" }, task);
  const store = await call.store();
  const pulled: Pulled[] = [];
  for (const tag of await from.tags()) {
    const name: Reference = { ...bare, tag };
    const root = await from.resolve(name, task);
    // Taken away since the list was read.
    if (root === undefined) continue;
    pulled.push(await takeRoot(from, name, root, platform, store, around.env, task));
  }
  if (call.flags.bool("referrers")) for (const one of pulled) await pullReferrers(call, one, around, task);
  done();
  for (const one of pulled) if (!quiet) call.out(`${one.name.tag}: Digest: ${one.root.digest}\n`);
  if (!quiet) {
    const changed = pulled.some((one) => one.changed);
    call.out(`Status: ${changed ? "Downloaded newer image" : "Image is up to date"} for ${familiarRepository(bare)}\n`);
  }
  call.out(`${formatReference(bare)}\n`);
}
