import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseReference, withDefaultTag } from "../../oci/reference.ts";
import { nameImage } from "../../store/name-image.ts";
import { createTask } from "../../task/task.ts";
import { noSuchImage, readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";

/** `nought tag`: a further name for an image. */
export async function run(call: Invocation): Promise<void> {
  const [source = "", target = ""] = call.args;
  const name = withDefaultTag(parseReference(target));
  if (name.digest !== undefined) {
    throw new Failure("REFERENCE", `refusing to create a tag with a digest reference: ${printable(target)}`, { exit: 1 });
  }
  const store = await call.store();
  const found = (await readCatalog(store)).find(source);
  if (!found) throw noSuchImage(source);
  await nameImage(
    store,
    name,
    found.image.root,
    createTask(() => {}, call.signal),
  );
}
