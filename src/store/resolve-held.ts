import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import type { ContentStore } from "./face.ts";

/**
 * The root of a name, protected from collections until the store is closed: for everything that reads an image for longer
 * than a moment. A name that moved to another image while we looked is looked up again. Undefined where there is no such
 * name; throws NOT_FOUND or DIGEST where the image is not whole.
 */
export async function resolveHeld(store: ContentStore, name: Reference, task: Task): Promise<Descriptor | undefined> {
  let before: string | undefined;
  for (;;) {
    const root = await store.resolve(name, task);
    if (root === undefined) return undefined;
    try {
      await store.hold(root);
      return root;
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "NOT_FOUND" || before === root.digest) throw error;
      before = root.digest;
    }
  }
}
