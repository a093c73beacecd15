import { renameSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { namesIn } from "../kit/look.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { removeTree } from "../rootfs/remove.ts";
import { readDetached } from "../sandbox/detached.ts";
import { allContainers, type Container, isOver } from "./face.ts";
import { releaseName } from "./names.ts";
import { containersFolder, type Places } from "./places.ts";
import type { ContainerState } from "./process.ts";
import { signalProcess } from "./signal.ts";

/**
 * Removes a container that does not run, with its anonymous volumes. It vanishes at once, by a rename; what a kill leaves is swept at the
 * next start. Harmless for one that is gone. To be called where its files can be reached (enterUserNamespace). Throws STORAGE.
 */
export async function removeContainer(store: string, { record, places, state }: Container): Promise<void> {
  await endWatcher(places, state);
  const half = join(containersFolder(store), `half-${uniqueToken()}`);
  await releaseName(store, record.name, record.id);
  try {
    renameSync(places.dir, half);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw storageFailure(error, "could not remove", places.dir);
  }
  removeTree(half);
}

/** Milliseconds that a watcher may take to write down how it ended. */
const PATIENCE = 2000;

/** A watcher that still runs although the container's process has ended is given a moment, and then ended, with all that it watches. */
async function endWatcher(places: Places, { started }: ContainerState): Promise<void> {
  const { monitor } = readDetached(places.dir);
  if (!started || !monitor || monitor.pid !== started.watcher.pid || monitor.start !== started.watcher.start) return;
  for (let waited = 0; waited < PATIENCE && livenessOf(monitor) === "alive"; waited += 10)
    await new Promise((resolve) => setTimeout(resolve, 10));
  if (livenessOf(monitor) === "alive") signalProcess(monitor, constants.signals.SIGKILL);
}

/**
 * Removes what processes that are gone left behind: folders half made or half removed, and containers with `--rm` whose watcher was
 * killed before it could remove them. What cannot be removed now is left to the next one.
 */
export async function sweepContainers(store: string): Promise<void> {
  for (const name of namesIn(containersFolder(store))) {
    const maker = name.startsWith("half-") ? makerOf(name.slice(5)) : undefined;
    if (maker && livenessOf(maker) === "dead") quietly(() => removeTree(join(containersFolder(store), name)));
  }
  for (const container of allContainers(store)) if (isOver(container)) await removeContainer(store, container).catch(() => {});
}
