import { type Digest, isDigest } from "../../oci/digest.ts";
import type { Reference } from "../../oci/reference.ts";
import type { ContentStore } from "../../store/face.ts";

/** Which registries have which blobs: a later push to the same registry mounts them instead of sending them. May be lost at any time. */
export interface Origins {
  /** A repository of this registry that had the blob, other than `repository`. */
  find(blob: Digest, name: Reference): string | undefined;
  note(blobs: readonly Digest[], name: Reference): void;
}

const FILE = "origins";
/** Blobs that are remembered, and repositories for each. */
const BLOBS = 5_000;
const REPOSITORIES = 4;

/** Reads and keeps a small file beside the store's blobs. */
export function originsOf(store: ContentStore): Origins {
  const read = (): Map<string, string[]> => {
    try {
      const pairs = JSON.parse(Buffer.from(store.readScratch(FILE) ?? []).toString("utf8") || "[]") as unknown;
      if (!Array.isArray(pairs)) return new Map();
      const good = pairs.filter((one): one is [string, string[]] => Array.isArray(one) && isDigest(one[0]) && Array.isArray(one[1]));
      return new Map(good.map(([digest, places]) => [digest, places.filter((place) => typeof place === "string")]));
    } catch {
      return new Map();
    }
  };
  let known: Map<string, string[]> | undefined;
  return {
    find(blob, name) {
      known ??= read();
      const prefix = `${name.registry}/`;
      const places = (known.get(blob) ?? []).filter((place) => place.startsWith(prefix) && place !== prefix + name.repository);
      return places[0]?.slice(prefix.length);
    },
    note(blobs, name) {
      const now = read();
      const place = `${name.registry}/${name.repository}`;
      known = now;
      if (blobs.every((blob) => now.get(blob)?.[0] === place)) return;
      for (const blob of blobs) {
        const places = [place, ...(now.get(blob) ?? []).filter((one) => one !== place)].slice(0, REPOSITORIES);
        // Used last, forgotten last.
        now.delete(blob);
        now.set(blob, places);
      }
      known = new Map([...now].slice(-BLOBS));
      store.writeScratch(FILE, Buffer.from(JSON.stringify([...known])));
    },
  };
}
