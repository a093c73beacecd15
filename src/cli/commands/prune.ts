import { familiarName } from "../../oci/reference.ts";
import type { ContentStore } from "../../store/face.ts";
import { enterForCache } from "../cache/enter.ts";
import { cacheFilter, cacheItems, wholeId } from "../cache/items.ts";
import { prunePackages } from "../cache/packages.ts";
import { type Pruned, removeItems } from "../cache/prune.ts";
import { removeUnpacked } from "../cache/unpacked.ts";
import { type Catalog, readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { imageFilter, invalidFilter, readFilter, readUntil } from "../image-filter.ts";
import { confirm } from "../prompt.ts";
import { ago, humanSize } from "../render/human.ts";
import { alignColumns } from "../render/table.ts";

const BUILDER_FILTERS = ["until", "label", "label!", "dangling", "id", "type", "inuse", "shared", "private"];
const SURE = "Are you sure you want to continue?";

/** `image prune`, `builder prune`, `system prune`: asks, removes, and says how much was won. */
export async function run(call: Invocation): Promise<void> {
  const group = call.path.split(" ")[0] as string;
  const filters = call.flags.list("filter");
  const all = call.flags.bool("all") || filters.some((one) => /^dangling=(?:false|0)$/i.test(one));
  for (const text of filters) {
    const { name, value } = readFilter(text);
    const known = group === "image" || group === "system" ? ["until", "label", "label!", "dangling"] : BUILDER_FILTERS;
    if (!known.includes(name)) throw invalidFilter(name);
    if (name === "until") readUntil(value);
  }
  const inReach = enterForCache(call.storeDir, "remove");
  if (!call.flags.bool("force") && !(await confirm(call, warning(group, all)))) return;
  if (group === "image") await pruneImages(call, all, filters, inReach);
  else if (group === "system") await pruneSystem(call, all, filters, inReach);
  else await pruneCache(call, filters, inReach);
}

function warning(group: string, all: boolean): string {
  const images = all ? "all images without at least one container associated to them" : "all dangling images";
  if (group === "image") return `This will remove ${images}.\n${SURE}`;
  if (group === "system")
    return `This will remove:\n  - all stopped containers\n  - ${images}\n  - ${all ? "all" : "unused"} build cache\n\n${SURE}`;
  return `This will remove all ${all ? "" : "dangling "}build cache. ${SURE}`;
}

async function pruneImages(call: Invocation, all: boolean, filters: readonly string[], inReach: boolean): Promise<void> {
  const store = await call.store();
  const lines = await removeImages(call, store, all, filters);
  const bytes = await collect(store, inReach);
  if (lines.length > 0) call.out(`Deleted Images:\n${lines.join("\n")}\n\n`);
  call.out(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
}

async function pruneSystem(call: Invocation, all: boolean, filters: readonly string[], inReach: boolean): Promise<void> {
  const store = await call.store();
  const { removeStopped } = await import("../container/remove-stopped.ts");
  const containers = inReach ? await removeStopped(call) : { ids: [], bytes: 0 };
  const lines = await removeImages(call, store, all, filters);
  const removed = await removeCache(store, filters, inReach);
  const packages = prunePackages(store.dir, filters);
  const bytes = containers.bytes + removed.bytes + packages.bytes + (await collect(store, inReach));
  if (containers.ids.length > 0) call.out(`Deleted Containers:\n${containers.ids.join("\n")}\n\n`);
  if (lines.length > 0) call.out(`Deleted Images:\n${lines.join("\n")}\n\n`);
  if (removed.items.length > 0) call.out(`Deleted build cache objects:\n${removed.items.map((one) => one.id).join("\n")}\n\n`);
  if (packages.files > 0) call.out(`Deleted packages and package indexes: ${packages.files}\n\n`);
  call.out(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
}

async function pruneCache(call: Invocation, filters: readonly string[], inReach: boolean): Promise<void> {
  const store = await call.store();
  const removed = await removeCache(store, filters, inReach);
  const packages = prunePackages(store.dir, filters);
  const bytes = removed.bytes + packages.bytes + (await collect(store, inReach));
  if (removed.items.length > 0) {
    const rows = removed.items.map((one) => `${wholeId(one).slice(0, 25)}\ttrue\t${humanSize(one.bytes, 4)}\t${ago(one.lastUsed)}`);
    call.out(alignColumns(`ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED\n${rows.join("\n")}\n`));
  }
  if (packages.files > 0) call.out(`Packages and package indexes: ${packages.files} removed, ${humanSize(packages.bytes, 4)}\n`);
  call.out(`Total:\t${humanSize(bytes, 4)}\n`);
}

/** Removes blobs that nothing refers to any more, then the unpacked form of layers that are gone. Gives the bytes. */
async function collect(store: ContentStore, inReach: boolean): Promise<number> {
  const { bytes } = await store.collect();
  return bytes + (inReach ? await removeUnpacked(store) : 0);
}

/** Takes images out of the lists and says what docker would say of each. Damaged ones without a name go too. */
async function removeImages(call: Invocation, store: ContentStore, all: boolean, filters: readonly string[]): Promise<string[]> {
  const catalog: Catalog = await readCatalog(store);
  const { containersInUse } = await import("../../container/face.ts");
  const used = containersInUse(call.storeDir).images;
  const fits = imageFilter(
    filters.filter((one) => readFilter(one).name !== "dangling"),
    catalog,
  );
  const lines: string[] = [];
  for (const image of catalog.images) {
    if ((!all && image.names.length > 0) || used.has(image.id) || !fits(image)) continue;
    for (const { name } of image.names) if (await store.unname(name)) lines.push(`untagged: ${familiarName(name)}`);
    await store.forget(image.root.digest);
    lines.push(`deleted: ${image.id}`);
  }
  for (const { root, names } of filters.length > 0 ? [] : catalog.damaged) {
    if (names.length > 0) continue;
    await store.forget(root.digest);
    lines.push(`deleted: ${root.digest}`);
  }
  return lines;
}

/** Removes cache mounts and results of build steps, those last used before `until` where it is given. Labels say nothing about them. */
async function removeCache(store: ContentStore, filters: readonly string[], inReach: boolean): Promise<Pruned> {
  const fits = cacheFilter(filters.filter((one) => !["label", "label!", "dangling"].includes(readFilter(one).name)));
  const items = await cacheItems(store);
  return removeItems(
    store,
    items.filter((item) => fits(item) && !item.inUse && (inReach || item.type === "regular")),
  );
}
