import { takeCacheMount } from "../../cache/take.ts";
import type { RunMount } from "../../dockerfile/command.ts";
import { ownHow } from "../../rootfs/open.ts";
import type { SandboxMount } from "../../sandbox/spec.ts";
import type { Workshop } from "../workshop.ts";
import type { MountSource } from "./mounts.ts";

/** `--mount=type=cache`: a directory that outlives the build. It is given back when the stack is disposed of. Throws as takeCacheMount. */
export async function cacheMount(
  mount: RunMount,
  target: string,
  source: MountSource | undefined,
  stack: AsyncDisposableStack,
  shop: Workshop,
): Promise<SandboxMount> {
  const walk = stack.use(shop.shelf.walk());
  const seed = source && {
    identity: source.input.identity ?? "context",
    tree: await source.input.tree(),
    source: source.path,
    files: walk.files,
  };
  const wish = {
    id: mount.id ?? target,
    sharing: mount.sharing ?? "shared",
    description: `mount ${target}`,
    ...(mount.mode === undefined ? {} : { mode: mount.mode }),
    ...(mount.uid === undefined ? {} : { uid: mount.uid }),
    ...(mount.gid === undefined ? {} : { gid: mount.gid }),
    ...(seed === undefined ? {} : { seed }),
  } as const;
  const taken = stack.use(await takeCacheMount(shop.store, wish, ownHow(), shop.task));
  return { type: "bind", kind: "directory", source: taken.path, target, ...(mount.readonly ? { readonly: true } : {}) };
}
