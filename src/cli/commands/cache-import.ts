import { resolve } from "node:path";
import { importCacheMounts } from "../../cache/import.ts";
import { printableLine } from "../../kit/printable.ts";
import { ownHow } from "../../rootfs/open.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";

const WORDS = {
  made: "imported",
  replaced: "replaced",
  kept: "is there already (--replace takes the archive's)",
  busy: "is in use, and stays",
} as const;

/** `nought cache import`: cache mounts from an archive, a folder or standard input. */
export async function run(call: Invocation): Promise<number> {
  const source = call.args[0] as string;
  enterUserNamespace();
  const store = await call.store();
  const task = createTask((event) => event.type === "note" && call.err(`${printableLine(event.text)}\n`), call.signal);
  const from = source === "-" ? { stream: process.stdin } : { path: resolve(source) };
  const done = await importCacheMounts(store, from, call.flags.bool("replace"), ownHow(), task);
  if (!call.flags.bool("quiet")) for (const { mount, outcome } of done) call.out(`${printableLine(mount.record.id)}: ${WORDS[outcome]}\n`);
  return done.some(({ outcome }) => outcome === "busy") ? 1 : 0;
}
