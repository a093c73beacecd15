import { listContainers } from "../../container/face.ts";
import { isStarting } from "../../container/process.ts";
import { removeContainer, sweepContainers } from "../../container/remove.ts";
import type { Invocation } from "../command.ts";
import { readFilter, readUntil } from "../image-filter.ts";
import { psFilter } from "./ps-filter.ts";
import { sizesOf } from "./ps-size.ts";

/**
 * Removes every container that does not run and that the filters `until`, `label` and `label!` let through. To be called where its files
 * can be reached. Gives the ids, and the bytes that the containers had written.
 */
export async function removeStopped(call: Invocation): Promise<{ readonly ids: readonly string[]; readonly bytes: number }> {
  const filters = call.flags.list("filter");
  const of = (name: string) => filters.map(readFilter).filter((one) => one.name === name);
  const border = Math.min(...of("until").map((one) => readUntil(one.value)), Number.POSITIVE_INFINITY);
  const labelled = psFilter(
    filters.filter((one) => readFilter(one).name.startsWith("label")),
    call.storeDir,
  );
  await sweepContainers(call.storeDir);
  let bytes = 0;
  const ids: string[] = [];
  for (const container of listContainers(call.storeDir)) {
    if (
      container.state.status === "running" ||
      isStarting(container.state) ||
      Date.parse(container.record.created) >= border ||
      !labelled(container)
    )
      continue;
    bytes += sizesOf(container, undefined).own;
    await removeContainer(call.storeDir, container);
    ids.push(container.record.id);
  }
  return { ids, bytes };
}
