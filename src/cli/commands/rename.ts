import { findContainer } from "../../container/face.ts";
import { renameContainer } from "../../container/rename.ts";
import type { Invocation } from "../command.ts";

/** `nought rename`: gives a container another name. */
export async function run(call: Invocation): Promise<void> {
  const [from = "", to = ""] = call.args;
  await renameContainer(call.storeDir, findContainer(call.storeDir, from), to);
}
