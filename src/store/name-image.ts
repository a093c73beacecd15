import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import type { ContentStore } from "./face.ts";

/** Gives an image a name. The image that had the name until now stays listed, as docker's `<none>`, when it has no other. */
export async function nameImage(store: ContentStore, name: Reference, root: Descriptor, task: Task): Promise<void> {
  const before = await nameOwner(store, name, task);
  if (before && before.digest !== root.digest) await keepIfWhole(store, before);
  await store.publish(name, root, task);
}

/** What is damaged, or was pruned in this moment, cannot be kept; that must not stop the image that heals the name. */
async function keepIfWhole(store: ContentStore, root: Descriptor): Promise<void> {
  try {
    await store.keep(root);
  } catch (error) {
    if (!(error instanceof Failure) || (error.code !== "NOT_FOUND" && error.code !== "DIGEST")) throw error;
  }
}

/** What a name points to. A name whose record is damaged belongs to nobody: it can be set anew. */
export async function nameOwner(store: ContentStore, name: Reference, task: Task): Promise<Descriptor | undefined> {
  try {
    return await store.resolve(name, task);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
