import { chmodSync, chownSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Digest } from "../oci/digest.ts";
import { newTable, performTable } from "../sandbox/perform.ts";
import { ownPrivileges } from "../sandbox/privileges.ts";
import type { MountPoint } from "../sandbox/spec.ts";
import type { Task } from "../task/task.ts";
import type { Draft } from "../tree/entry.ts";
import { type Path, ROOT } from "../tree/path.ts";
import type { LayerFiles } from "../tree/read.ts";
import type { Tree } from "../tree/tree.ts";
import { adoptUpper } from "./adopt.ts";
import { tableCalls } from "./calls.ts";
import { type ChangesHow, type ReadUpper, readUpper } from "./changes.ts";
import { type Lowers, prepareLowers, type SourceLayer } from "./lowers.ts";
import { removeTree } from "./remove.ts";
import { makeStubs } from "./stub.ts";
import type { UnpackHow } from "./unpack.ts";

/** Layers with a place for changes: what SandboxSpec asks of whoever prepares a root. */
export interface OpenRoot extends AsyncDisposable {
  /** For SandboxSpec.lowers, the stub layer last. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  /** What the layers show together; changes are not in it. */
  readonly tree: Tree;
  /** What was changed by this user, once nothing runs in it any more. Contents are files in `upper`. Throws what readChanges throws. */
  changes(task: Task, user?: ChangesHow["user"]): Promise<Draft>;
  /**
   * Keeps what `changes` read last as the unpacked form of the layer it was sealed as, on top of the layers with this chain ID, so that the
   * next
   * step finds it. Only when nothing runs in the root and nobody reads the draft's contents any more: afterwards there is no `upper`. False
   * where that cannot be done, which costs an unpacking. Throws as adoptUpper.
   */
  adopt(store: string, layer: SourceLayer, below: Digest | undefined): Promise<boolean>;
}

let own: UnpackHow | undefined;

/** How this process unpacks layers and reads changes: by the privileges that it has. */
export function ownHow(): UnpackHow {
  const privileges = ownPrivileges();
  own ??= {
    calls: tableCalls(privileges.initial ? "trusted" : "user", newTable, performTable),
    ids: privileges.single ? "mine" : "keep",
  };
  return own;
}

/** What was prepared before in one process, by chain ID, so that a step after a step looks at one layer only. */
export type KnownLowers = Map<Digest, Lowers>;

/** Unpacks what is not unpacked yet of a stack of layers into the store in folder `store`, for use as lowers. Throws as prepareLowers. */
export function ownLowers(
  store: string,
  layers: readonly SourceLayer[],
  files: LayerFiles,
  task: Task,
  known?: KnownLowers,
): Promise<Lowers> {
  return prepareLowers(store, layers, files, ownHow(), task, known);
}

/**
 * Makes a root from prepared layers: the stub layer for `points` (mountPoints of the sandbox), and empty `upper` and `work` directories,
 * all in
 * `folder`, which is made where it is not there, on the store's own file system. A `folder` that was used before keeps its changes (a
 * container
 * that is started again), and gets new stubs. Disposing of the root removes the folder. Throws SANDBOX, STORAGE.
 */
export function openRoot(lowers: Lowers, folder: string, points: readonly MountPoint[]): OpenRoot {
  const how = ownHow();
  const { tree, directories } = lowers;
  const [upper, work, stubs] = [join(folder, "upper"), join(folder, "work"), join(folder, "stubs")];
  let made: ReadonlySet<Path>;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    if (!existsSync(upper)) {
      mkdirSync(upper, { mode: 0o755 });
      const root = tree.get(ROOT);
      if (root && how.ids === "keep") chownSync(upper, root.uid, root.gid);
      chmodSync(upper, root?.mode ?? 0o755);
    }
    // What is left in it belongs to a mount that is gone.
    removeTree(work);
    mkdirSync(work, { mode: 0o700 });
    removeTree(stubs);
    made = makeStubs(stubs, points, tree, how.ids, how.calls);
  } catch (error) {
    throw storageFailure(error, "could not make a root in", folder);
  }
  let read: ReadUpper | undefined;
  return {
    lowers: [...directories, stubs],
    upper,
    work,
    tree,
    async changes(task, user) {
      read = await readUpper(upper, tree, { ...how, stubs: made, ...(user ? { user } : {}) }, task);
      return read.draft;
    },
    adopt: async (store, layer, below) => read !== undefined && adoptUpper(store, upper, read, layer, { chain: below, tree }, how),
    [Symbol.asyncDispose]: async () => removeTree(folder),
  };
}
