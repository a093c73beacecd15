import { parseNewName } from "../../oci/reference.ts";
import { nameImage } from "../../store/name-image.ts";
import { createTask } from "../../task/task.ts";
import { noSuchImage, readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";

/** `nought tag`: a further name for an image. */
export async function run(call: Invocation): Promise<void> {
  const [source = "", target = ""] = call.args;
  const name = parseNewName(target);
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
