import { Failure } from "../../kit/error.ts";
import { hexOf } from "../../oci/digest.ts";
import { familiarName, familiarRepository } from "../../oci/reference.ts";
import type { ContentStore } from "../../store/face.ts";
import { type Catalog, type Found, noSuchImage, readCatalog, readName, type StoredImage } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { renderFailure } from "../render/failure.ts";

/**
 * `nought rmi`: takes names away; an image that loses its last is deleted. By ID, an image with names in several repositories needs `-f`.
 * What does not work is reported and does not keep the rest from being removed; the exit code is 1 then.
 */
export async function run(call: Invocation): Promise<number> {
  const store = await call.store();
  const force = call.flags.bool("force");
  let failed = false;
  let deleted = false;
  for (const text of call.args) {
    try {
      const catalog = await readCatalog(store);
      const found = catalog.find(text);
      deleted = (found ? await remove(call, store, catalog, found, force) : await removeDamaged(call, store, catalog, text)) || deleted;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      call.err(renderFailure(error));
      failed ||= !(force && error.code === "NOT_FOUND");
    }
  }
  if (deleted && !call.flags.bool("no-prune")) await store.collect();
  return failed ? 1 : 0;
}

async function remove(call: Invocation, store: ContentStore, catalog: Catalog, found: Found, force: boolean): Promise<boolean> {
  const { image, name } = found;
  // The same config may lie under several manifests: to people that is one image.
  const same = catalog.images.filter((one) => one.id === image.id);
  const names = same.flatMap((one) => one.names);
  if (name && names.length > 1) {
    await unname(call, store, name.name);
    if (image.names.length === 1) await store.forget(image.root.digest);
    return false;
  }
  const repositories = new Set(names.map((one) => familiarRepository(one.name)));
  if (!name && repositories.size > 1 && !force) {
    throw new Failure(
      "CONFLICT",
      `conflict: unable to delete ${hexOf(image.id).slice(0, 12)} (must be forced) - image is referenced in multiple repositories`,
      { hint: "Remove its names one by one, or give -f." },
    );
  }
  if (!force) await checkUnused(call, found);
  for (const one of names) await unname(call, store, one.name);
  await drop(store, same);
  call.out(`Deleted: ${image.id}\n`);
  return true;
}

/** An image that a container was made from stays, unless it is forced: its layers are unpacked, so that no container needs it to go on. */
async function checkUnused(call: Invocation, { image, name }: Found): Promise<void> {
  const { containersInUse, hasContainers } = await import("../../container/face.ts");
  if (!hasContainers(call.storeDir)) return;
  const [user] = containersInUse(call.storeDir).images.get(image.id) ?? [];
  if (!user) return;
  const [short, id] = [hexOf(image.id).slice(0, 12), user.record.id.slice(0, 12)];
  const state = user.state.status === "running" ? "running" : "stopped";
  throw new Failure(
    "CONFLICT",
    name
      ? `conflict: unable to remove repository reference "${call.args.find((one) => sameName(one, name.name)) ?? familiarName(name.name)}" (must force) - container ${id} is using its referenced image ${short}`
      : `conflict: unable to delete ${short} (must be forced) - image is being used by ${state} container ${id}`,
    { hint: `Remove the container first (nought rm ${user.record.name}), or give -f: it goes on without the image.` },
  );
}

function sameName(text: string, name: Parameters<typeof familiarName>[0]): boolean {
  const read = readName(text);
  return read !== undefined && familiarName(read.tag === undefined ? { ...read, tag: "latest" } : read) === familiarName(name);
}

async function drop(store: ContentStore, images: readonly StoredImage[]): Promise<void> {
  for (const image of images) await store.forget(image.root.digest);
}

async function unname(call: Invocation, store: ContentStore, name: Found["image"]["names"][number]["name"]): Promise<void> {
  if (await store.unname(name)) call.out(`Untagged: ${familiarName(name)}\n`);
}

/** A name can be taken away from what cannot be read any more. */
async function removeDamaged(call: Invocation, store: ContentStore, catalog: Catalog, text: string): Promise<boolean> {
  const name = readName(text);
  const wanted = name && familiarName(name.tag === undefined && name.digest === undefined ? { ...name, tag: "latest" } : name);
  for (const { root, names } of catalog.damaged) {
    const record = names.find((one) => familiarName(one.name) === wanted);
    if (record) await unname(call, store, record.name);
    else if (root.digest !== text) continue;
    if (names.length <= 1) {
      await store.forget(root.digest);
      call.out(`Deleted: ${root.digest}\n`);
    }
    return true;
  }
  throw noSuchImage(text);
}
