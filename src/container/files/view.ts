import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { uniqueToken } from "../../kit/liveness.ts";
import { RootedFolder } from "../../kit/rooted.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { removeTree } from "../../rootfs/remove.ts";
import { type Container, rootOf } from "../face.ts";
import { sandboxMounts } from "../spec.ts";
import { holdRoot } from "./hold.ts";

/** A container's files as it sees them, looked up as it would look them up. */
export interface View extends AsyncDisposable {
  readonly root: RootedFolder;
}

/**
 * Opens the files of a container: those of a running one as its process has them, volumes and all; those of another are mounted for us
 * alone, with its volumes. Nothing is changed in a container that does not run unless `write` is asked for. Throws SANDBOX, STORAGE.
 */
export async function openView(store: string, container: Container, write: boolean): Promise<View> {
  const { pid } = container.state;
  if (container.state.status === "running" && pid !== undefined) return viewOf(`/proc/${pid}/root`, async () => {});
  const { lowers, upper } = rootOf(store, container);
  const mounts = sandboxMounts(store, container.places, container.record).filter((one) => one.type === "bind");
  if (!write) {
    const held = await holdRoot({ lowers: [...lowers, upper], mounts });
    return viewOf(held.path, async () => held[Symbol.asyncDispose]());
  }
  // An overlay's working directory is used once.
  const work = join(container.places.dir, `copy-${uniqueToken()}`);
  try {
    mkdirSync(work, { mode: 0o700 });
  } catch (error) {
    throw storageFailure(error, "could not create", work);
  }
  try {
    const held = await holdRoot({ lowers, upper, work, mounts });
    return viewOf(held.path, async () => {
      await held[Symbol.asyncDispose]();
      removeTree(work);
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
