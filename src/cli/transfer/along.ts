import { type Attached, attachedTo, copyReferrers, subjectsOf } from "../../attest/travel.ts";
import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { BytesReader, BytesWriter } from "../../oci/place.ts";
import type { Layout } from "../../place/layout.ts";
import type { Repository } from "../../registry/face.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import type { Source } from "./source.ts";

/** Where a source tells what refers to its image. Throws UNSUPPORTED for places that have no room for that. */
function referrersIn(source: Source): NonNullable<Source["referrers"]> {
  if (source.referrers) return source.referrers;
  throw new Failure("UNSUPPORTED", "--referrers: a docker archive or a dir: folder holds an image alone, nothing refers to it there");
}

/** Brings what refers to an image of the store, or of any place that keeps it, into the store. The image must be there. */
export async function alongToStore(source: Source, store: ContentStore, root: Descriptor, task: Task): Promise<readonly Attached[]> {
  const enter = async ({ referrer }: Attached) => void (await store.attach(referrer));
  return copied(source, store, root, task, enter);
}

/** The same into a layout. The result lists each without a name: after the image, which readers expect to come first. */
export async function alongToLayout(source: Source, layout: Layout, root: Descriptor, task: Task): Promise<() => Promise<void>> {
  const { publishUnnamed } = await import("../../place/layout.ts");
  const all = await copied(source, layout, root, task);
  return async () => {
    for (const { referrer } of all) await publishUnnamed(layout, referrer);
  };
}

/** The same into a registry, byte for byte; from another registry with what cosign keeps under tags of its own beside the image. */
export async function alongToRegistry(source: Source, to: Repository, root: Descriptor, task: Task): Promise<void> {
  const { sendReferrers } = await import("../registry/referrers.ts");
  const { has, open } = source.from;
  await sendReferrers({ has, open, referrers: referrersIn(source) }, to, root, root, task);
  if (!source.place) return;
  const { copyClassic } = await import("../../sign/travel.ts");
  await copyClassic(source.place, to, await subjectsOf(source.from, root), task);
}

/** What has to stand in an archive beside an image: it is written in one go. */
export async function alongInArchive(source: Source, root: Descriptor): Promise<readonly Descriptor[]> {
  const subjects = (await subjectsOf(source.from, root)).map((one) => one.digest);
  return (await attachedTo({ referrers: referrersIn(source) }, subjects)).map((one) => one.referrer);
}

async function copied(
  { from, ...source }: Source,
  to: BytesReader & BytesWriter,
  root: Descriptor,
  task: Task,
  entered?: (attached: Attached) => Promise<void>,
): Promise<readonly Attached[]> {
  const subjects = (await subjectsOf(to, root)).map((one) => one.digest);
  const { has, open } = from;
  return copyReferrers({ has, open, referrers: referrersIn({ from, ...source }) }, to, subjects, task, entered);
}
