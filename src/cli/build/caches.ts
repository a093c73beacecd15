import type { BuildCaches } from "../../build/caches.ts";
import type { CachePlace, WriteOptions } from "../../buildcache/face.ts";
import type { OpenRepository } from "../../buildcache/repository-cache.ts";
import type { CacheSession, CacheTarget } from "../../buildcache/session.ts";
import type { Digest } from "../../oci/digest.ts";
import { withDefaultTag } from "../../oci/reference.ts";
import type { Invocation } from "../command.ts";
import { type CacheWhere, readCacheFrom, readCacheTo } from "./cache-flags.ts";

const BOTH: WriteOptions = { imageManifest: true, ociMediaTypes: true };

/**
 * The caches that `--cache-from` and `--cache-to` name; undefined where there are none. The flags are read at once, nothing else is loaded
 * before the build begins. Throws USAGE, UNSUPPORTED, REFERENCE.
 */
export function readCaches(call: Invocation): BuildCaches | undefined {
  const from = call.flags.list("cache-from").flatMap((text) => readCacheFrom(text, call.env));
  const to = call.flags.list("cache-to").flatMap((text) => readCacheTo(text, call.env));
  if (from.length === 0 && to.length === 0) return undefined;
  let session: CacheSession | undefined;
  let withdrawn = false;
  return {
    letDown(error) {
      withdrawn ||= session?.letDown(error) ?? false;
      return withdrawn;
    },
    async begin(store, task) {
      const { beginSession } = await import("../../buildcache/session.ts");
      const places = async (where: CacheWhere, how: WriteOptions) => {
        const place = await open(call, where, how);
        if (!place) task.emit({ type: "note", text: "a build cache of type=gha is left out: this is no job of GitHub Actions" });
        return place;
      };
      const sources: CachePlace[] = [];
      for (const where of withdrawn ? [] : from) sources.push(...listOf(await places(where, BOTH)));
      const targets: CacheTarget[] = [];
      for (const one of to) {
        if (one.type !== "place") continue;
        const { where, how, mode, packing, ignoreError } = one;
        for (const place of listOf(await places(where, how))) targets.push({ place, mode, packing, ignoreError });
      }
      session = await beginSession({ from: sources, to: targets, inline: to.some((one) => one.type === "inline") }, store, task);
      return session;
    },
  };
}

function listOf<T>(one: T | undefined): readonly T[] {
  return one === undefined ? [] : [one];
}

async function open(call: Invocation, where: CacheWhere, how: WriteOptions): Promise<CachePlace | undefined> {
  switch (where.type) {
    case "local": {
      const { layoutCache } = await import("../../buildcache/layout-cache.ts");
      return layoutCache(where.path, where.choice, how);
    }
    case "registry": {
      const { repositoryCache } = await import("../../buildcache/repository-cache.ts");
      return noting(call, repositoryCache(where.name, how, openRepositoryOf(call)), where);
    }
    case "s3": {
      const [{ objectsCache }, { s3Objects }, { createWeb }] = await Promise.all([
        import("../../buildcache/objects-cache.ts"),
        import("../../buildcache/s3.ts"),
        import("../../buildcache/web.ts"),
      ]);
      return objectsCache(s3Objects(where.options, createWeb(call.env)));
    }
    case "gha": {
      if (!where.options) return undefined;
      const [{ objectsCache }, { ghaObjects }, { createWeb }] = await Promise.all([
        import("../../buildcache/objects-cache.ts"),
        import("../../buildcache/gha.ts"),
        import("../../buildcache/web.ts"),
      ]);
      return objectsCache(ghaObjects(where.options, createWeb(call.env)));
    }
  }
}

/** Repositories as this machine has registries configured; what other repositories of the same registry have is mounted. */
function openRepositoryOf(call: Invocation): OpenRepository {
  return async (name, access, task) => {
    const [{ openRepository }, { surroundings }, { originsOf }, { packingInto }] = await Promise.all([
      import("../../registry/repository.ts"),
      import("../../registry/surroundings.ts"),
      import("../registry/origins.ts"),
      import("../registry/packing-place.ts"),
    ]);
    const store = await call.store();
    const origins = originsOf(store);
    const mountFrom = (blob: Digest) => origins.find(blob, name);
    const place = await openRepository(name, { ...surroundings(call.env, task), access, mountFrom }, task);
    return { place, ...(access === "push" ? { packed: packingInto(place, store, mountFrom) } : {}) };
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
