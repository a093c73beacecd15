import type { BuildCaches } from "../../build/caches.ts";
import type { CachePlace, WriteOptions } from "../../buildcache/face.ts";
import type { OpenRepository } from "../../buildcache/repository-cache.ts";
import type { Digest } from "../../oci/digest.ts";
import { withDefaultTag } from "../../oci/reference.ts";
import type { Invocation } from "../command.ts";
import { type CacheTo, type CacheWhere, readCacheFrom, readCacheTo } from "./cache-flags.ts";

const BOTH: WriteOptions = { imageManifest: true, ociMediaTypes: true };

/**
 * The caches that `--cache-from` and `--cache-to` name; undefined where there are none. The flags are read at once, nothing else is loaded
 * before the build begins. Throws USAGE, UNSUPPORTED, REFERENCE.
 */
export function readCaches(call: Invocation): BuildCaches | undefined {
  const from = call.flags.list("cache-from").flatMap(readCacheFrom);
  const to = call.flags.list("cache-to").flatMap(readCacheTo);
  if (from.length === 0 && to.length === 0) return undefined;
  return {
    async begin(store, task) {
      const { beginSession } = await import("../../buildcache/session.ts");
      return beginSession(
        {
          from: await Promise.all(from.map((where) => open(call, where, BOTH))),
          to: await Promise.all(to.flatMap((one) => (one.type === "place" ? [target(call, one)] : []))),
          inline: to.some((one) => one.type === "inline"),
        },
        store,
        task,
      );
    },
  };
}

async function target(call: Invocation, { where, how, mode, packing, ignoreError }: CacheTo & { type: "place" }) {
  return { place: await open(call, where, how), mode, packing, ignoreError };
}

async function open(call: Invocation, where: CacheWhere, how: WriteOptions): Promise<CachePlace> {
  if (where.type === "local") {
    const { layoutCache } = await import("../../buildcache/layout-cache.ts");
    return layoutCache(where.path, where.choice, how);
  }
  const { repositoryCache } = await import("../../buildcache/repository-cache.ts");
  return noting(call, repositoryCache(where.name, how, openRepositoryOf(call)), where);
}

/** Repositories as this machine has registries configured; what other repositories of the same registry have is mounted. */
function openRepositoryOf(call: Invocation): OpenRepository {
  return async (name, access, task) => {
    const [{ openRepository }, { surroundings }, { originsOf }] = await Promise.all([
      import("../../registry/repository.ts"),
      import("../../registry/surroundings.ts"),
      import("../registry/origins.ts"),
    ]);
    const origins = originsOf(await call.store());
    const mountFrom = (blob: Digest) => origins.find(blob, name);
    return openRepository(name, { ...surroundings(call.env, task), access, mountFrom }, task);
  };
}

/** Remembers which repository has the layers of a cache: what is pushed to its registry later is mounted instead of sent. */
function noting(call: Invocation, place: CachePlace, { name }: CacheWhere & { type: "registry" }): CachePlace {
  return {
    ...place,
    async read(task) {
      const found = await place.read(task);
      const layers = new Set((found?.records ?? []).flatMap(({ layer }) => (layer ? [layer.blob.digest] : [])));
      if (layers.size === 0) return found;
      const { originsOf } = await import("../registry/origins.ts");
      originsOf(await call.store()).note([...layers].slice(0, MOST_NOTED), withDefaultTag(name));
      return found;
    },
  };
}

/** Blobs of one cache whose place is remembered. */
const MOST_NOTED = 1_000;
