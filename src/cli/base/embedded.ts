import type { Descriptor } from "../../oci/descriptor.ts";
import type { Platform } from "../../oci/platform.ts";
import { DEFAULT_REGISTRY, type Reference } from "../../oci/reference.ts";
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
