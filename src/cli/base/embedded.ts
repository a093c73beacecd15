import type { Image } from "../../image/layer.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Platform } from "../../oci/platform.ts";
import { DEFAULT_REGISTRY, familiarName, type Reference } from "../../oci/reference.ts";
import type { Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";

/** Whether a name may be one of the images that nought makes itself. Cheap: asked for every image. */
function isReserved(name: Reference): boolean {
  return name.registry === DEFAULT_REGISTRY && name.repository.startsWith("nought/") && name.digest === undefined;
}

/** Makes an image under `nought/` from Debian's packages; undefined for a name that is none of them. */
export async function embeddedImage(call: Invocation, name: Reference, platform: Platform, task: Task): Promise<Descriptor | undefined> {
  if (!isReserved(name)) return undefined;
  const { embeddedImages } = await import("../../base/embedded.ts");
  return embeddedImages(await call.store(), { env: { ...call.env } }).find(name, platform, task);
}

/** Says so where an image under a reserved name is one that a person gave that name: it is not the one that nought would make. */
export async function tellOwner(call: Invocation, name: Reference, image: Image): Promise<void> {
  if (!isReserved(name)) return;
  const { embeddedName, MADE_BY } = await import("../../base/embedded.ts");
  if (embeddedName(name) === undefined || image.annotations?.[MADE_BY] !== undefined) return;
  call.err(`NOTE: ${familiarName(name)} is taken from the store, where it was given that name: it is not nought's own\n`);
}
