import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE,
  FSCONFIG,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR,
  O,
  O_BY_ARCHITECTURE,
  OPEN_TREE,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "./flags.ts";
import type { Inside } from "./inside.ts";
import { overlay } from "./overlay.ts";
import { isBelowAny, type SandboxMount } from "./spec.ts";
import type { Register } from "./table.ts";

/** Makes a file system that needs no device, with its options; attached nowhere yet. */
export function fileSystem(
  inside: Inside,
  type: string,
  options: readonly (readonly [string, string])[],
  attributes: number,
  at: string,
): Register {
  const { table } = inside;
  const context = table.register();
  const mount = table.register();
  table.call("fsopen", [table.text(type), FSOPEN_CLOEXEC], { into: context, label: `fsopen ${type} for ${at}` });
  // What mount(8) shows as the device; without it, "none".
  for (const [key, value] of [["source", type] as const, ...options]) {
    const args =
      value === "" ? [context, FSCONFIG.FLAG, table.text(key), 0, 0] : [context, FSCONFIG.STRING, table.text(key), table.text(value), 0];
    table.call("fsconfig", args, { label: `fsconfig ${key}=${value} for ${at}` });
  }
  table.call("fsconfig", [context, FSCONFIG.CREATE, 0, 0, 0], { label: `making ${at}` });
  table.call("fsmount", [context, FSMOUNT_CLOEXEC, attributes], { into: mount, label: `fsmount ${at}` });
  table.call("close", [context]);
  return mount;
}

/** Makes the mount of the root: an overlay, or one directory as it is. */
export function rootMount(inside: Inside): Register {
  const { spec } = inside;
  const single = spec.plain ?? (spec.lowers.length === 1 && spec.upper === undefined ? spec.lowers[0] : undefined);
  const writable = (spec.upper !== undefined || spec.plain !== undefined) && !spec.readonlyRoot;
  const root = single === undefined ? overlay(inside, spec, "/") : inside.openTree(AT_FDCWD, single, OPEN_TREE.CLONE, single);
  inside.setAttributes(root, writable ? 0 : MOUNT_ATTR.RDONLY, { private: true, label: "/" });
  return root;
}

/** Makes the mounts that the spec asks for, in the order in which they are to be attached: what lies deeper comes later. */
export function specMounts(inside: Inside): readonly { readonly asked: SandboxMount; readonly mount: Register }[] {
  const depth = (path: string) => path.split("/").length;
  return inside.spec.mounts
    .toSorted((a, b) => depth(a.target) - depth(b.target))
    .map((asked) => ({ asked, mount: makeMount(inside, asked) }));
}

/** Makes directories for targets that lie inside other mounts; those in the root itself are the stub layer's to have. */
export function makeTarget(inside: Inside, mount: SandboxMount, above: readonly string[]): void {
  const outermost = above.filter((one) => isBelowAny(mount.target, [one])).toSorted((a, b) => a.length - b.length)[0];
  if (outermost === undefined) return;
  const { table } = inside;
  const names = mount.target.slice(outermost.length).split("/").filter(Boolean);
  const isFile = mount.type === "bytes" || ("kind" in mount && mount.kind === "file");
  let path = outermost === "/" ? "" : outermost;
  for (const [at, name] of names.entries()) {
    path += `/${name}`;
    if (isFile && at === names.length - 1) {
      table.call("openat", [AT_FDCWD, table.text(path), O.CREAT | O.RDONLY | O.CLOEXEC, 0o644], { ignore: true, into: inside.scratch });
      table.call("close", [inside.scratch], { ignore: true });
    } else table.call("mkdirat", [AT_FDCWD, table.text(path), 0o755], { ignore: true });
  }
}

/** Makes one mount with its attributes, attached nowhere yet. */
export function makeMount(inside: Inside, mount: SandboxMount): Register {
  const made = unrestricted(inside, mount);
  const attributes =
    (mount.readonly ? MOUNT_ATTR.RDONLY : 0) |
    (mount.nosuid ? MOUNT_ATTR.NOSUID : 0) |
    (mount.nodev ? MOUNT_ATTR.NODEV : 0) |
    (mount.noexec ? MOUNT_ATTR.NOEXEC : 0);
  inside.setAttributes(made, attributes, { recursive: true, private: true, label: mount.target });
  return made;
}

function unrestricted(inside: Inside, mount: SandboxMount): Register {
  const { table } = inside;
  if (mount.type === "tmpfs") {
    const options: (readonly [string, string])[] = [["mode", (mount.mode ?? 0o1777).toString(8)]];
    if (mount.size !== undefined) options.push(["size", `${mount.size}`]);
    if (mount.uid !== undefined && !inside.privileges.single) options.push(["uid", `${mount.uid}`]);
    if (mount.gid !== undefined && !inside.privileges.single) options.push(["gid", `${mount.gid}`]);
    return fileSystem(inside, "tmpfs", options, 0, mount.target);
  }
  if (mount.type === "bytes") return bytesMount(inside, mount);
  if (mount.type === "root") return rootOf(inside, mount.pid, mount.target);
  const recursive = mount.kind === "directory" ? AT_RECURSIVE : 0;
  if (mount.type === "bind" && mount.within === undefined)
    return inside.openTree(AT_FDCWD, mount.source, OPEN_TREE.CLONE | recursive, mount.source);
  const within = table.register();
  const path = mount.type === "bind" ? mount.source : mount.path;
  if (mount.type === "bind") {
    const flags = O.PATH | O.CLOEXEC | O_BY_ARCHITECTURE[inside.architecture].DIRECTORY;
    table.call("openat", [AT_FDCWD, table.text(mount.within as string), flags, 0], { into: within, label: `open ${mount.within}` });
  } else {
    // A mount is copied in parts only once it is attached (before Linux 6.15).
    const staged = inside.attachStaged(layersMount(inside, mount), mount.target);
    table.call("openat", [AT_FDCWD, table.text(staged), O.PATH | O.CLOEXEC, 0], { into: within, label: `open ${mount.target}` });
  }
  const found = table.register();
  const how = table.words64(O.PATH | O.CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  table.call("openat2", [within, table.text(path === "" ? "/" : path), how, 24], {
    into: found,
    label: `find ${path} for ${mount.target}`,
  });
  return inside.openTree(
    found,
    "",
    OPEN_TREE.CLONE | AT_EMPTY_PATH | (mount.type === "bind" ? recursive : 0),
    `${path} for ${mount.target}`,
  );
}

/**
 * The root of another process, which may have another one than its mount namespace has. A copy of mounts is only given to who is in their
 * namespace, so this process goes there and back; nothing is attached there.
 */
function rootOf(inside: Inside, pid: number, target: string): Register {
  const { table } = inside;
  const open = (path: string, flags: number) => {
    const into = table.register();
    table.call("openat", [AT_FDCWD, table.text(path), flags | O.CLOEXEC, 0], { into, label: `open ${path}` });
    return into;
  };
  const root = open(`/proc/${pid}/root`, O.PATH);
  const theirs = open(`/proc/${pid}/ns/mnt`, O.RDONLY);
  const ours = open("/proc/self/ns/mnt", O.RDONLY);
  const ourRoot = open("/", O.PATH);
  table.call("setns", [theirs, CLONE.NEWNS], { label: `setns /proc/${pid}/ns/mnt` });
  const copy = inside.openTree(root, "", OPEN_TREE.CLONE | AT_EMPTY_PATH | AT_RECURSIVE, `the root of process ${pid} for ${target}`);
  table.call("setns", [ours, CLONE.NEWNS], { label: "setns back" });
  // A change of the mount namespace changes the root to that namespace's, which is not ours where nought itself runs in a chroot.
  table.call("fchdir", [ourRoot]);
  table.call("chroot", [table.text(".")]);
  for (const fd of [root, theirs, ours, ourRoot]) table.call("close", [fd]);
  return copy;
}

function layersMount(inside: Inside, mount: Extract<SandboxMount, { type: "layers" }>): Register {
  const [only] = mount.lowers;
  if (mount.lowers.length === 1 && mount.upper === undefined && only !== undefined)
    return inside.openTree(AT_FDCWD, only, OPEN_TREE.CLONE, only);
  return overlay(inside, mount, mount.target);
}

/** A file on the sandbox's own tmpfs, which nothing else ever sees. */
function bytesMount(inside: Inside, mount: Extract<SandboxMount, { type: "bytes" }>): Register {
  const { table, privileges } = inside;
  const path = inside.staged();
  const fd = table.register();
  const label = (what: string) => ({ label: `${what} ${mount.target}` });
  table.call("openat", [AT_FDCWD, table.text(path), O.CREAT | O.EXCL | O.WRONLY | O.CLOEXEC, 0o600], { into: fd, ...label("create") });
  if (mount.bytes.length > 0) table.call("write", [fd, table.bytes(mount.bytes), mount.bytes.length], label("write"));
  if (!privileges.single) table.call("fchown", [fd, mount.uid, mount.gid], label("fchown"));
  table.call("fchmod", [fd, mount.mode], label("fchmod"));
  table.call("close", [fd]);
  return inside.openTree(AT_FDCWD, path, OPEN_TREE.CLONE, mount.target);
}
