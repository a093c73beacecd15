import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { livenessOf, makerOf, uniqueToken } from "../../kit/liveness.ts";
import type { Lock } from "../../kit/lock.ts";
import { namesIn } from "../../kit/look.ts";
import { RootedFolder } from "../../kit/rooted.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { removeTree } from "../../rootfs/remove.ts";
import type { SandboxSpec } from "../../sandbox/spec.ts";
import { type Container, readContainer, rootOf } from "../face.ts";
import type { Places } from "../places.ts";
import { isStarting, lockStart } from "../process.ts";
import { sandboxMounts } from "../spec.ts";
import { holdRoot } from "./hold.ts";

/** How a working directory for copies is called, before the token of who made it. */
const COPY = "copy-";

/** A container's files as it sees them, looked up as it would look them up. */
export interface View extends AsyncDisposable {
  readonly root: RootedFolder;
}

/**
 * Opens the files of a container: those of a running one as its process has them, volumes and all; those of another are mounted for us
 * alone, with its volumes. Nothing is changed in it unless `write` is asked for, and then nobody starts it meanwhile. Throws SANDBOX,
 * STORAGE.
 */
export async function openView(store: string, container: Container, write: boolean): Promise<View> {
  const running = runningRoot(container);
  if (running !== undefined) return viewOf(running, async () => {});
  const { lowers, upper } = rootOf(store, container);
  const mounts = sandboxMounts(store, container.places, container.record).filter((one) => one.type === "bind");
  if (!write) {
    const held = await holdRoot({ lowers: [...lowers, upper], mounts });
    return viewOf(held.path, async () => held[Symbol.asyncDispose]());
  }
  const lock = await lockStart(container.places);
  try {
    const now = runningRoot(await settled(store, container));
    // It was started while we waited.
    if (now !== undefined) return await viewOf(now, async () => lock.release());
    return await writableView(container.places, { lowers, upper, mounts }, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The container once nobody is about to start it. */
async function settled(store: string, container: Container): Promise<Container> {
  for (let tries = 0; ; tries++) {
    const now = readContainer(store, container.record.id) ?? container;
    if (!isStarting(now.state) || tries > 500) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function runningRoot({ state }: Container): string | undefined {
  return state.status === "running" && state.pid !== undefined ? `/proc/${state.pid}/root` : undefined;
}

async function writableView(
  places: Places,
  layers: Pick<SandboxSpec, "lowers" | "mounts"> & { readonly upper: string },
  lock: Lock,
): Promise<View> {
  for (const name of namesIn(places.dir)) {
    const maker = name.startsWith(COPY) ? makerOf(name.slice(COPY.length)) : undefined;
    if (maker && livenessOf(maker) === "dead") removeTree(join(places.dir, name));
  }
  // An overlay's working directory is used once.
  const work = join(places.dir, `${COPY}${uniqueToken()}`);
  try {
    mkdirSync(work, { mode: 0o700 });
  } catch (error) {
    throw storageFailure(error, "could not create", work);
  }
  try {
    const held = await holdRoot({ ...layers, work });
    return await viewOf(held.path, async () => {
      await held[Symbol.asyncDispose]();
      removeTree(work);
      lock.release();
    });
  } catch (error) {
    removeTree(work);
    throw error;
  }
}

async function viewOf(path: string, close: () => Promise<void>): Promise<View> {
  try {
    const root = new RootedFolder(path);
    return {
      root,
      async [Symbol.asyncDispose]() {
        root[Symbol.dispose]();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw storageFailure(error, "could not look into", path);
  }
}
