import { decompress } from "../format/decompress.ts";
import { foreignKind } from "../format/detect.ts";
import { assemble } from "../image/assemble.ts";
import { decodeIndex } from "../image/index.ts";
import type { Image } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import type { ContainerConfig } from "../oci/config.ts";
import type { Platform } from "../oci/platform.ts";
import type { Task } from "../task/task.ts";
import type { Shelf } from "./shelf.ts";
import { takeLayer } from "./take-layer.ts";

/** What an imported image says of itself. */
export interface ImportFacts {
  readonly config: ContainerConfig;
  /** Comment of its one history entry; docker's is `Imported from -`. */
  readonly message: string;
  readonly platform: Platform;
  /** Seconds since the epoch; the newest time of the files where absent, so that the same tar gives the same image. */
  readonly created?: number;
}

/** A store that gives indexes back too. */
export interface ImportingShelf extends Shelf {
  readIndex(diffId: Image["layers"][number]["diffId"]): Promise<Uint8Array | undefined>;
}

/**
 * Makes an image of one layer of the tar of a root file system, compressed in any way we know: docker import. The layer is kept plain,
 * its owners, modes and attributes as they are. Naming the image is the caller's. Throws TAR, COMPRESSION, LIMIT.
 */
export async function importTar(store: ImportingShelf, source: AsyncIterable<Uint8Array>, facts: ImportFacts, task: Task): Promise<Image> {
  const { bytes, kind, head } = await decompress(source);
  if (head.length === 0) throw new Failure("TAR", "nothing to import: the input is empty");
  const foreign = kind === "other" ? foreignKind(head) : undefined;
  if (foreign !== undefined) throw new Failure("TAR", `the input is no tar archive: it looks like ${foreign}`);
  const layer = await takeLayer(store, bytes, undefined, undefined, undefined, task);
  const blob = { mediaType: layer.mediaType, digest: layer.digest, size: layer.size };
  store.noteBlob(layer.diffId, blob);
  const created = isoTime(facts.created ?? (await newest(store, layer.diffId)));
  const { os, architecture, variant } = facts.platform;
  const { image, configBytes, manifestBytes } = assemble(
    [{ diffId: layer.diffId, blob }],
    {
      created,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      config: facts.config,
      rootfs: { type: "layers", diff_ids: [layer.diffId] },
      history: [{ created, comment: facts.message }],
    },
    {},
  );
  await store.put(configBytes);
  await store.put(manifestBytes);
  return image;
}

async function newest(store: ImportingShelf, diffId: Image["layers"][number]["diffId"]): Promise<number> {
  const index = await store.readIndex(diffId);
  let latest = 0;
  for (const entry of (index && decodeIndex(index)?.draft) ?? []) latest = Math.max(latest, Math.floor(entry.mtime));
  return latest;
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
