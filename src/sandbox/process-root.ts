import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, CLONE, O, OPEN_TREE } from "./flags.ts";
import type { Inside } from "./inside.ts";
import type { SandboxMount } from "./spec.ts";
import type { Register } from "./table.ts";

/**
 * Copies the mounts that another process has from its root on, attached nowhere. A mount can only be copied from within its own namespace,
 * so this process goes there and comes back; a change of the mount namespace also changes root and working directory, so both are
 * set again. Nothing is looked up by a path there, so no link of the other process can lead anywhere. setns(2), open_tree(2).
 */
export function processRoot(inside: Inside, mount: Extract<SandboxMount, { type: "process" }>): Register {
  const { table } = inside;
  const open = (path: string, flags: number): Register => {
    const into = table.register();
    table.call("openat", [AT_FDCWD, table.text(path), flags | O.CLOEXEC, 0], { into, label: `open ${path}` });
    return into;
  };
  const own = open("/proc/self/ns/mnt", O.RDONLY);
  const ownRoot = open("/", O.PATH);
  const namespace = open(mount.namespace, O.RDONLY);
  const root = open(mount.root, O.PATH);
  table.call("setns", [namespace, CLONE.NEWNS], { label: `setns ${mount.namespace}` });
  const copy = table.register();
  table.call("open_tree", [root, table.text(""), OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE], {
    into: copy,
    label: `open_tree ${mount.root}`,
  });
  table.call("setns", [own, CLONE.NEWNS], { label: "setns to the own mount namespace" });
  table.call("fchdir", [ownRoot]);
  table.call("chroot", [table.text(".")]);
  for (const fd of [own, ownRoot, namespace, root]) table.call("close", [fd]);
  return copy;
}
