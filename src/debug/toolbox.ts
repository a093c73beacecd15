import { assemble } from "../image/assemble.ts";
import type { Image } from "../image/layer.ts";
import { openImage } from "../image/open.ts";
import { seal } from "../image/seal.ts";
import { Failure } from "../kit/error.ts";
import { hostPlatform } from "../oci/platform.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { removeTree } from "../rootfs/remove.ts";
import { openShelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import { nameImage } from "../store/name-image.ts";
import type { Task } from "../task/task.ts";
import { type BusyboxSource, findBusybox } from "./busybox.ts";
import { toolboxDraft } from "./toolbox-draft.ts";

/** The name it has in the store: an image like any other, to be run, listed and removed. Nobody can publish under this registry. */
export const TOOLBOX: Reference = parseReference("localhost/nought/toolbox:latest");

/** Says which recipe made it; another number makes the image anew. */
const LABEL = "nought.toolbox";
const RECIPE = "1";

const EPOCH = "1970-01-01T00:00:00Z";

/**
 * The toolbox of this machine: an image of a static busybox under all its names, with a shell. Taken from the store where it is, else made
 * from the first source that has a busybox; no registry is asked. The same busybox gives the same image. Throws NOT_FOUND where there is
 * no busybox, and what the store throws.
 */
export async function toolboxImage(store: ContentStore, task: Task, sources?: readonly BusyboxSource[]): Promise<Image> {
  return (await storedToolbox(store, task)) ?? makeToolbox(store, task, sources);
}

/** The toolbox that is in the store and whole, made by this recipe. */
export async function storedToolbox(store: ContentStore, task: Task): Promise<Image | undefined> {
  try {
    const root = await store.resolve(TOOLBOX, task);
    const image = root && (await openImage(store, root, hostPlatform()));
    return image?.config.config.Labels?.[LABEL] === RECIPE && image.layers.every((one) => store.sizeOf(one.blob.digest) !== undefined)
      ? image
      : undefined;
  } catch (error) {
    // What is damaged is made anew.
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** Makes it anew and gives it its name. */
export async function makeToolbox(store: ContentStore, task: Task, sources?: readonly BusyboxSource[]): Promise<Image> {
  const folder = await store.temporary();
  try {
    const busybox = findBusybox(folder, sources);
    const shelf = openShelf(store, task);
    const { layer, draft } = await seal(toolboxDraft(busybox), shelf.open, store.writer(), task);
    await shelf.add(layer, draft);
    const { os, architecture, variant } = hostPlatform();
    const { image, configBytes, manifestBytes } = assemble(
      [layer],
      {
        created: EPOCH,
        architecture,
        ...(variant === undefined ? {} : { variant }),
        os,
        config: {
          Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
          Cmd: ["sh"],
          WorkingDir: "/",
          Labels: { [LABEL]: RECIPE, "nought.toolbox.busybox": busybox.version },
        },
        rootfs: { type: "layers", diff_ids: [layer.diffId] },
        history: [{ created: EPOCH, created_by: "nought toolbox", comment: `busybox ${busybox.version}` }],
      },
      {},
    );
    await store.putMany([configBytes, manifestBytes]);
    await nameImage(store, TOOLBOX, image.descriptor, task);
    return image;
  } finally {
    removeTree(folder);
  }
}
