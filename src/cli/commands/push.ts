import { writeFileSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { hexOf } from "../../oci/digest.ts";
import {
  familiarName,
  familiarRepository,
  formatReference,
  parseReference,
  type Reference,
  SCRATCH_RESERVED,
  withDefaultTag,
} from "../../oci/reference.ts";
import { surroundings } from "../../registry/surroundings.ts";
import type { ContentStore, NameRecord } from "../../store/face.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { shortLabels } from "../registry/labels.ts";
import { readPacking } from "../registry/packing.ts";
import { type Pushed, pushImage } from "../registry/push.ts";
import { barsFor } from "../render/bars.ts";
import { isScratch } from "../scratch.ts";

/** `nought push`: images of the store to the registry that their names say. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const [text = ""] = call.args;
  if (isScratch(text)) throw new Failure("RESERVED", SCRATCH_RESERVED);
  const quiet = flags.bool("quiet");
  const packing = { ...readPacking(flags), referrers: flags.bool("referrers") };
  const name = parseReference(text);
  const all = flags.bool("all-tags");
  if (all && (name.tag !== undefined || name.digest !== undefined)) throw new Failure("USAGE", "tag can't be used with --all-tags/-a");
  if (name.tag !== undefined && name.digest !== undefined)
    throw new Failure("USAGE", `cannot push ${formatReference(name)}: give a tag, or a digest for an image without a tag`);
  const digestFile = flags.string("digestfile");
  const bars = barsFor(call.env, quiet);
  const task = createTask(shortLabels(bars.listener), call.signal);
  const around = surroundings(call.env, task);
  try {
    const store = await call.store();
    const records = name.digest !== undefined ? [] : all ? await tagsOf(store, name) : [await recordOf(store, withDefaultTag(name))];
    if (!quiet) call.out(`The push refers to repository [${formatReference({ registry: name.registry, repository: name.repository })}]\n`);
    if (name.digest !== undefined) {
      const { pushDigest } = await import("../registry/push-digest.ts");
      tell(call, bars.finish, name, await pushDigest(name, packing, store, around, task), quiet, digestFile);
      return;
    }
    for (const { name: full, root } of records)
      tell(call, bars.finish, full, await pushImage(full, root, packing, store, around, task), quiet, digestFile);
  } finally {
    bars.finish();
  }
}

/** What came of a push, in docker's words. */
function tell(
  call: Invocation,
  finish: () => void,
  name: Reference,
  { root, layers, referrers }: Pushed,
  quiet: boolean,
  digestFile: string | undefined,
): void {
  finish();
  if (quiet) call.out(`${formatReference(name)}\n`);
  else {
    for (const { digest, what } of layers) call.out(`${hexOf(digest).slice(0, 12)}: ${what}\n`);
    if (referrers > 0) call.out(`${referrers} ${referrers === 1 ? "referrer" : "referrers"}: Pushed\n`);
    call.out(`${name.tag ?? hexOf(root.digest).slice(0, 12)}: digest: ${root.digest} size: ${root.size}\n`);
  }
  if (digestFile !== undefined) writeDigest(digestFile, root.digest);
}

async function recordOf(store: ContentStore, name: Reference): Promise<Pick<NameRecord, "name" | "root">> {
  const root = await store.resolve(name, createTask());
  if (root) return { name, root };
  throw new Failure("NOT_FOUND", `An image does not exist locally with the tag: ${familiarRepository(name)}`, {
    hint: `There is no ${familiarName(name)}: \`nought images\` shows what there is, \`nought tag\` gives a further name.`,
  });
}

async function tagsOf(store: ContentStore, name: Reference): Promise<readonly NameRecord[]> {
  const records = (await store.names()).filter(
    (one) =>
      one.name.registry === name.registry &&
      one.name.repository === name.repository &&
      one.name.tag !== undefined &&
      one.name.digest === undefined,
  );
  if (records.length > 0) return records;
  throw new Failure("NOT_FOUND", `An image does not exist locally with the tag: ${familiarRepository(name)}`);
}

function writeDigest(path: string, digest: string): void {
  try {
    writeFileSync(path, digest);
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}
