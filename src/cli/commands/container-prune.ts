import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { Invocation } from "../command.ts";
import { removeStopped } from "../container/remove-stopped.ts";
import { invalidFilter, readFilter } from "../image-filter.ts";
import { confirm } from "../prompt.ts";
import { humanSize } from "../render/human.ts";

/** `nought container prune`: removes every container that does not run. */
export async function run(call: Invocation): Promise<void> {
  for (const { name } of call.flags.list("filter").map(readFilter))
    if (!["until", "label", "label!"].includes(name)) throw invalidFilter(name);
  enterUserNamespace();
  const question = "This will remove all stopped containers.\nAre you sure you want to continue?";
  if (!call.flags.bool("force") && !(await confirm(call, question))) return;
  const { ids, bytes } = await removeStopped(call);
  if (ids.length > 0) call.out(`Deleted Containers:\n${ids.join("\n")}\n\n`);
  call.out(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
}
