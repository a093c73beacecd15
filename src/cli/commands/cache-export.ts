import { statSync } from "node:fs";
import { resolve } from "node:path";
import { exportCacheMounts } from "../../cache/export.ts";
import { Failure } from "../../kit/error.ts";
import { printable, printableLine } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { ownHow } from "../../rootfs/open.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { createTask } from "../../task/task.ts";
import { type CacheItem, cacheItems, isCalled } from "../cache/items.ts";
import type { Invocation } from "../command.ts";
import { humanSize } from "../render/human.ts";

type MountItem = CacheItem & { readonly type: "exec.cachemount" };

/** `nought cache export`: cache mounts into an archive, a folder or standard output. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const target = call.args[0] as string;
  if (target === "-" && isTerminal(1))
    throw new Failure("USAGE", "cowardly refusing to write an archive to a terminal. Name a file or redirect");
  // Files of all owners, with the owners that the image's programs see.
  enterUserNamespace();
  const store = await call.store();
  const items = (await cacheItems(store)).filter((item): item is MountItem => item.type === "exec.cachemount");
  const words = flags.list("id");
  for (const word of words)
    if (!items.some((item) => isCalled(item, word)))
      throw new Failure("NOT_FOUND", `no such cache mount: ${printable(word)}`, { hint: "`nought cache ls` shows what there is." });
  const chosen = items.filter((item) => words.length === 0 || words.some((word) => isCalled(item, word)));
  if (chosen.length === 0) throw new Failure("NOT_FOUND", "there are no cache mounts to export");
  const task = createTask((event) => event.type === "note" && call.err(`${printableLine(event.text)}\n`), call.signal);
  const path = resolve(target);
  const folder = target.endsWith("/") || (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
  const output = target === "-" ? { stream: process.stdout, signal: call.signal } : folder ? { folder: path } : { file: path };
  const mounts = chosen.map(({ mount }) => mount);
  const written = await exportCacheMounts(store, mounts, output, ownHow(), task);
  if (flags.bool("quiet")) return;
  for (const { record, digest, size } of written) call.err(`${printableLine(record.id)}: ${digest} ${humanSize(size, 4)}\n`);
}
