import { type Container, listContainers } from "../../container/face.ts";
import { removeContainer, sweepContainers } from "../../container/remove.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { Invocation } from "../command.ts";
import { psFilter } from "../container/ps-filter.ts";
import { sizesOf } from "../container/ps-size.ts";
import { invalidFilter, readFilter, readUntil } from "../image-filter.ts";
import { confirm } from "../prompt.ts";
import { humanSize } from "../render/human.ts";

/** `nought container prune`: removes every container that does not run. */
export async function run(call: Invocation): Promise<void> {
  const filters = call.flags.list("filter").map(readFilter);
  for (const { name } of filters) if (!["until", "label", "label!"].includes(name)) throw invalidFilter(name);
  const border = Math.min(...filters.filter((one) => one.name === "until").map((one) => readUntil(one.value)), Number.POSITIVE_INFINITY);
  const labelled = psFilter(
    call.flags.list("filter").filter((one) => readFilter(one).name !== "until"),
    call.storeDir,
  );
  enterUserNamespace();
  const question = "This will remove all stopped containers.\nAre you sure you want to continue?";
  if (!call.flags.bool("force") && !(await confirm(call, question))) return;
  await sweepContainers(call.storeDir);
  const fits = (one: Container) => one.state.status !== "running" && Date.parse(one.record.created) < border && labelled(one);
  let bytes = 0;
  const removed: string[] = [];
  for (const container of listContainers(call.storeDir).filter(fits)) {
    bytes += sizesOf(container, undefined).own;
    await removeContainer(call.storeDir, container);
    removed.push(container.record.id);
  }
  if (removed.length > 0) call.out(`Deleted Containers:\n${removed.join("\n")}\n\n`);
  call.out(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
}
