import { Failure } from "../../kit/error.ts";
import { printableLine } from "../../kit/printable.ts";
import { enterForCache } from "../cache/enter.ts";
import { cacheFilter, cacheItems, describe } from "../cache/items.ts";
import { beyondLimit, removeItems } from "../cache/prune.ts";
import { removeUnpacked } from "../cache/unpacked.ts";
import type { Invocation } from "../command.ts";
import { readBytes } from "../container/amount.ts";
import { confirm } from "../prompt.ts";
import { ago, humanSize } from "../render/human.ts";
import { alignColumns } from "../render/table.ts";

/** `nought cache prune`: cache mounts and results of steps, those used longest ago first where some are to be kept. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const fits = cacheFilter(flags.list("filter"));
  const text = flags.string("keep-storage");
  const keep = text === undefined ? undefined : readBytes(text, "--keep-storage");
  const inReach = enterForCache(call.storeDir, "remove");
  const all = flags.bool("all");
  const warning = `This will remove ${all ? "all" : "all unused"} build cache and cache mounts.\nAre you sure you want to continue?`;
  if (!flags.bool("force") && !(await confirm(call, warning))) return;
  const store = await call.store();
  const items = await cacheItems(store);
  let chosen = items.filter((item) => fits(item) && !item.inUse && (all || !item.shared));
  if (keep !== undefined) chosen = beyondLimit(items, chosen, keep);
  if (!inReach && chosen.some((item) => item.type === "exec.cachemount"))
    throw new Failure("SANDBOX", "cache mounts belong to ids of a user namespace, and none can be used here", {
      hint: "`nought doctor` says why. With --filter type=regular, results of steps are removed without.",
    });
  const { items: removed, bytes } = await removeItems(store, chosen);
  const { bytes: freed } = await store.collect();
  const unpacked = inReach ? await removeUnpacked(store) : 0;
  if (removed.length > 0) {
    const rows = removed.map((item) => [item.id, item.type, humanSize(item.bytes, 4), ago(item.lastUsed), printableLine(describe(item))]);
    call.out(alignColumns(`ID\tTYPE\tSIZE\tLAST ACCESSED\tDESCRIPTION\n${rows.map((row) => row.join("\t")).join("\n")}\n`));
  }
  call.out(`Total:\t${humanSize(bytes + freed + unpacked, 4)}\n`);
}
