import type { Descriptor } from "../oci/descriptor.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import type { ContentStore } from "./face.ts";

/** Gives an image a name. The image that had the name until now stays listed, as docker's `<none>`, when it has no other. */
export async function nameImage(store: ContentStore, name: Reference, root: Descriptor, task: Task): Promise<void> {
  const wanted = formatReference(name);
  const before = (await store.names()).find((one) => formatReference(one.name) === wanted);
  if (before && before.root.digest !== root.digest && store.sizeOf(before.root.digest) !== undefined) await store.keep(before.root);
  await store.publish(name, root, task);
}
