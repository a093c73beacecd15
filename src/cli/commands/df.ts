import { type ListedMount, listCacheMounts } from "../../cache/list.ts";
import type { Digest } from "../../oci/digest.ts";
import { hexOf } from "../../oci/digest.ts";
import { familiarRepository } from "../../oci/reference.ts";
import { type UnpackedLayer, unpackedLayers } from "../../rootfs/sweep.ts";
import type { ContentStore } from "../../store/face.ts";
import { enterForCache } from "../cache/enter.ts";
import { packageUsage } from "../cache/packages.ts";
import { type Catalog, readCatalog, type StoredImage } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { ago, humanSize, timeOf } from "../render/human.ts";
import { type ListForm, renderList } from "../template/list.ts";

const FORM: ListForm = {
  columns: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
  type: "*formatter.diskUsageContext",
  headers: { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" },
};

const IMAGE_FORM: ListForm = {
  columns: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
  type: "*formatter.imageContext",
  headers: {
    Repository: "REPOSITORY",
    Tag: "TAG",
    ID: "IMAGE ID",
    CreatedSince: "CREATED",
    Size: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
    Containers: "CONTAINERS",
  },
};

const CACHE_FORM: ListForm = {
  columns: "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.LastUsedSince}}\t{{.Shared}}",
  type: "*formatter.buildCacheContext",
  headers: { ID: "CACHE ID", CacheType: "CACHE TYPE", Size: "SIZE", LastUsedSince: "LAST USED", Shared: "SHARED" },
};

/** Bytes on disk by digest: what several images share counts once. */
type Blobs = Map<Digest, number>;

/** `nought system df`: how many bytes of this disk images and build cache take. */
export async function run(call: Invocation): Promise<void> {
  enterForCache(call.storeDir, "look");
  const store = await call.store();
  const catalog = await readCatalog(store);
  const mounts = listCacheMounts(store.dir);
  const mounted = mounts.reduce((total, { size }) => total + size, 0);
  const unpacked = unpackedLayers(store.dir);
  const unpackedBytes = (of: readonly UnpackedLayer[]) => of.reduce((total, { bytes }) => total + bytes, 0);
  const images: Blobs = new Map(catalog.images.flatMap((image) => [...blobsOf(store, image)]));
  const cache: Blobs = new Map();
  for (const { layer } of store.records()) {
    if (layer && !images.has(layer.blob.digest)) cache.set(layer.blob.digest, store.sizeOf(layer.blob.digest) ?? 0);
  }
  if (call.flags.bool("verbose") && !call.flags.given("format")) {
    call.out(
      `Images space usage:\n\n${imageTable(store, catalog)}\nBuild cache usage: ${humanSize(sum(cache) + mounted, 4)}\n\n${cacheTable(store, images, mounts)}`,
    );
    return;
  }
  const free = mounts.reduce((total, { size, inUse }) => total + (inUse ? 0 : size), 0);
  const unused = unpacked.filter(({ diffId }) => store.blobOf(diffId) === undefined);
  const count = new Set(catalog.images.map((one) => one.id)).size;
  const size = humanSize(sum(images), 4);
  const rows = [
    rowOf("Images", count, size, sum(images) > 0 ? `${size} (100%)` : "0B"),
    rowOf("Containers", 0, "0B", "0B"),
    rowOf("Local Volumes", 0, "0B", "0B"),
    rowOf("Build Cache", store.records().length + mounts.length, humanSize(sum(cache) + mounted, 4), humanSize(sum(cache) + free, 4)),
  ];
  // Not docker's: what images need to run, made again where it is missing.
  if (unpacked.length > 0)
    rows.push(rowOf("Unpacked Layers", unpacked.length, humanSize(unpackedBytes(unpacked), 4), humanSize(unpackedBytes(unused), 4)));
  // Nor is this: what bases were made of, and what the next ones need not fetch.
  const packages = packageUsage(store.dir);
  if (packages.files > 0) {
    const bytes = humanSize(packages.bytes, 4);
    rows.push(rowOf("Package Cache", packages.files, bytes, `${bytes} (100%)`));
  }
  call.out(renderList(FORM, rows, { format: call.flags.string("format") }));
}

function rowOf(type: string, count: number, size: string, reclaimable: string): Record<string, unknown> {
  return { Type: type, TotalCount: String(count), Active: "0", Size: size, Reclaimable: reclaimable };
}

function imageTable(store: ContentStore, catalog: Catalog): string {
  const users = new Map<Digest, Set<Digest>>();
  for (const image of catalog.images) {
    for (const digest of blobsOf(store, image).keys()) users.set(digest, (users.get(digest) ?? new Set()).add(image.id));
  }
  const rows = catalog.images.flatMap((image) => {
    const blobs = [...blobsOf(store, image)];
    const shared = blobs.filter(([digest]) => (users.get(digest)?.size ?? 0) > 1).reduce((total, [, size]) => total + size, 0);
    const all = blobs.reduce((total, [, size]) => total + size, 0);
    const facts = {
      ID: hexOf(image.id).slice(0, 12),
      CreatedSince: ago(timeOf(image.config.created)),
      Size: humanSize(all),
      SharedSize: humanSize(shared, 4),
      UniqueSize: humanSize(all - shared, 4),
      Containers: "0",
    };
    const names = image.names.map(({ name }) => ({ Repository: familiarRepository(name), Tag: name.tag ?? "<none>" }));
    return (names.length > 0 ? names : [{ Repository: "<none>", Tag: "<none>" }]).map((name) => ({ ...facts, ...name }));
  });
  return renderList(IMAGE_FORM, rows, {});
}

function cacheTable(store: ContentStore, images: Blobs, mounts: readonly ListedMount[]): string {
  const mounted = mounts.map(({ short, size, lastUsed }) => ({
    ID: short,
    CacheType: "exec.cachemount",
    Size: humanSize(size, 4),
    LastUsedSince: ago(lastUsed),
    Shared: "false",
  }));
  const rows = store.records().map(({ key, layer, at }) => ({
    ID: hexOf(key).slice(0, 12),
    CacheType: layer ? "regular" : "internal",
    Size: humanSize(layer ? (store.sizeOf(layer.blob.digest) ?? 0) : 0, 4),
    LastUsedSince: ago(at),
    Shared: String(layer !== undefined && images.has(layer.blob.digest)),
  }));
  return renderList(CACHE_FORM, [...mounted, ...rows], {});
}

function blobsOf(store: ContentStore, image: StoredImage): Blobs {
  const digests = [image.root.digest, image.manifest.digest, image.id, ...image.layers.map((one) => one.digest)];
  return new Map(digests.map((digest) => [digest, store.sizeOf(digest) ?? 0]));
}

function sum(blobs: Blobs): number {
  let total = 0;
  for (const size of blobs.values()) total += size;
  return total;
}
