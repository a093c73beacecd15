import type { Image } from "../image/layer.ts";
import type { Descriptor } from "../oci/descriptor.ts";
// Placeholder of the lead until the real one lands; overwrite this file.
export async function representImage(_store: unknown, image: Image, _how: unknown, _task: unknown): Promise<Descriptor> {
  return image.descriptor;
}
