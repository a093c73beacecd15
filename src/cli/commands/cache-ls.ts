import { printableLine } from "../../kit/printable.ts";
import { enterForCache } from "../cache/enter.ts";
import { type CacheItem, cacheFilter, cacheItems, describe, wholeId } from "../cache/items.ts";
import type { Invocation } from "../command.ts";
import { ago, humanSize, rfc3339 } from "../render/human.ts";
import { alignColumns } from "../render/table.ts";
import { type ListForm, renderList } from "../template/list.ts";

const FORM: ListForm = {
  columns: "{{.ID}}\t{{.Type}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedSince}}\t{{.Description}}",
  quiet: "{{.ID}}",
  type: "*formatter.buildCacheContext",
  headers: {
    ID: "ID",
    Type: "TYPE",
    Reclaimable: "RECLAIMABLE",
    Size: "SIZE",
    LastUsedSince: "LAST ACCESSED",
    Description: "DESCRIPTION",
    Shared: "SHARED",
    InUse: "IN USE",
    CreatedAt: "CREATED AT",
    LastUsedAt: "LAST USED AT",
    UsageCount: "USAGE COUNT",
    Sharing: "SHARING",
  },
};

/** `nought cache ls`: one line for each cache mount and each result of a step, and what they come to together. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const fits = cacheFilter(flags.list("filter"));
  if (!enterForCache(call.storeDir, "look"))
    call.err("WARNING: sizes leave out what only other users of the user namespace may read, and none can be used here\n");
  const store = await call.store();
  const items = (await cacheItems(store)).filter(fits);
  if (flags.bool("verbose") && !flags.given("format")) return call.out(items.map(paragraph).join("\n"));
  const rows = items.map((item) => rowOf(item, flags.bool("no-trunc")));
  call.out(renderList(FORM, rows, { format: flags.string("format"), quiet: flags.bool("quiet") }));
  if (flags.given("format") || flags.bool("quiet")) return;
  const sum = (of: readonly CacheItem[]) =>
    humanSize(
      of.reduce((total, { bytes }) => total + bytes, 0),
      4,
    );
  const shared = items.filter((item) => item.shared);
  const totals = shared.length > 0 ? `Shared:\t${sum(shared)}\nPrivate:\t${sum(items.filter((item) => !item.shared))}\n` : "";
  const free = items.filter((item) => !item.inUse && !item.shared);
  call.out(alignColumns(`${totals}Reclaimable:\t${sum(free)}\nTotal:\t${sum(items)}\n`));
}

function rowOf(item: CacheItem, whole: boolean): Record<string, unknown> {
  return {
    ID: whole ? wholeId(item) : item.id,
    Type: item.type,
    Reclaimable: String(!item.inUse && !item.shared),
    Size: humanSize(item.bytes, 4),
    LastUsedSince: ago(item.lastUsed),
    LastUsedAt: rfc3339(item.lastUsed),
    CreatedAt: rfc3339(createdOf(item)),
    Description: whole ? describe(item) : cut(describe(item)),
    Shared: String(item.shared),
    InUse: String(item.inUse),
    ...(item.type === "exec.cachemount" ? { UsageCount: String(item.mount.uses), Sharing: item.mount.sharing } : {}),
  };
}

function createdOf(item: CacheItem): number {
  return item.type === "exec.cachemount" ? item.mount.created : item.record.at;
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** All that is known of one item, in buildx's form. */
function paragraph(item: CacheItem): string {
  const facts: (readonly [string, string])[] = [
    ["ID", wholeId(item)],
    ["Created at", rfc3339(createdOf(item))],
    ["Mutable", String(item.type === "exec.cachemount")],
    ["Reclaimable", String(!item.inUse && !item.shared)],
    ["Shared", String(item.shared)],
    ["Size", humanSize(item.bytes, 4)],
    ["Description", printableLine(describe(item))],
    ...(item.type === "exec.cachemount"
      ? ([
          ["Sharing", item.mount.sharing],
          ["Usage count", String(item.mount.uses)],
        ] as const)
      : []),
    ["Last used", ago(item.lastUsed)],
    ["Type", item.type],
  ];
  return alignColumns(facts.map(([name, value]) => `${name}:\t${value}\n`).join(""));
}
