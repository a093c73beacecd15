import { storedToolbox, TOOLBOX, toolboxImage } from "../../debug/toolbox.ts";
import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { familiarName, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import { noSuchImage, readCatalog, readName } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { embeddedImage, tellOwner } from "./embedded.ts";

/** The toolbox made of Debian's packages. */
const PACKAGED: Reference = parseReference("nought/toolbox:latest");

/** Milliseconds for making it: somebody waits to look into something that does not work. */
const PATIENCE = 60_000;

/**
 * The image whose tools are used beside a container. The one that is asked for; else `nought/toolbox` or `localhost/nought/toolbox`, as
 * the store has them, in this order; else `nought/toolbox`, made of Debian's packages, and where they cannot be had
 * `localhost/nought/toolbox`, made of a static busybox of this machine. Throws NOT_FOUND, and what the store throws.
 */
export async function toolsImage(call: Invocation, asked: string | undefined, store: ContentStore, task: Task): Promise<Image> {
  if (asked === undefined || asked === "toolbox") return ownTools(call, store, task);
  if (asked === familiarName(TOOLBOX)) return toolboxImage(store, task);
  const name = readName(asked);
  const root = (await readCatalog(store)).find(asked)?.image.root ?? (name && (await made(call, withDefaultTag(name), task)));
  if (!root) throw noSuchImage(asked);
  return openImage(store, root, hostPlatform());
}

async function ownTools(call: Invocation, store: ContentStore, task: Task): Promise<Image> {
  const packaged = await stored(store, task);
  if (packaged) await tellOwner(call, PACKAGED, packaged);
  const there = packaged ?? (await storedToolbox(store, task));
  if (there) return there;
  const patience = AbortSignal.timeout(PATIENCE);
  try {
    const root = await made(call, PACKAGED, { ...task, signal: AbortSignal.any([task.signal, patience]) });
    if (root) return await openImage(store, root, hostPlatform());
  } catch (error) {
    if (!(error instanceof Failure) || task.signal.aborted) throw error;
    const why = patience.aborted ? `its packages did not come within ${PATIENCE / 1000} seconds` : error.message;
    task.emit({ type: "note", text: `${familiarName(PACKAGED)} could not be made (${why}): the busybox of this machine is taken` });
  }
  return toolboxImage(store, task);
}

/** The image of that name if it is whole, whoever made it. */
async function stored(store: ContentStore, task: Task): Promise<Image | undefined> {
  try {
    const root = await store.resolve(PACKAGED, task);
    const image = root && (await openImage(store, root, hostPlatform()));
    return image?.layers.every((one) => store.sizeOf(one.blob.digest) !== undefined) ? image : undefined;
  } catch (error) {
    // What is damaged is made anew.
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function made(call: Invocation, name: Reference, task: Task) {
  return embeddedImage(call, name, hostPlatform(), task);
}
