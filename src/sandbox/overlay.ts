import { AT_FDCWD, FSCONFIG, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC, O, O_BY_ARCHITECTURE } from "./flags.ts";
import type { Inside } from "./inside.ts";
import { kernelIsAtLeast } from "./kernel.ts";
import type { Register } from "./table.ts";

/** Layers to be stacked, lowest first. */
export interface Layers {
  readonly lowers: readonly string[];
  readonly upper?: string;
  readonly work?: string;
}

/** Descriptors of layers get numbers from here on, so that their names under /proc are known when the table is written. */
const FIRST_DESCRIPTOR = 100;

/**
 * Adds the calls that make an overlay of the layers; the register holds the mount, which is attached nowhere yet. Layers are named by
 * descriptors: however long their paths are, nothing of them is seen from inside, and each is looked up once.
 * Kernel documentation: filesystems/overlayfs.rst. `lowerdir+` is there since Linux 6.5; before, one page holds all names.
 */
export function overlay(inside: Inside, layers: Layers, at: string): Register {
  const { table, privileges } = inside;
  const names = layers.lowers.map((path) => descriptorName(inside, path)).toReversed();
  const upper = layers.upper === undefined ? undefined : descriptorName(inside, layers.upper);
  const work = layers.work === undefined ? undefined : descriptorName(inside, layers.work);
  const settings: (readonly [string, string])[] = [
    ["source", "overlay"],
    ["redirect_dir", "nofollow"],
    ["metacopy", "off"],
    ["index", "off"],
    ["xino", "off"],
    // Without it, the upper directory of root gets an attribute of its own.
    ...(kernelIsAtLeast(6, 6, inside.kernel) ? [["uuid", "null"] as const] : []),
  ];
  const switches = [
    // Only user.overlay.* can be read and written in a user namespace; without it, directories cannot be removed.
    ...(privileges.initial ? [] : ["userxattr"]),
    // Nothing of a step that is cut short is used again, so nobody waits for the disk.
    ...(upper === undefined ? [] : ["volatile"]),
  ];
  const label = (what: string) => ({ label: `${what} of the overlay for ${at}` });
  if (!kernelIsAtLeast(6, 5, inside.kernel)) {
    const options = [
      `lowerdir=${names.join(":")}`,
      ...(upper === undefined ? [] : [`upperdir=${upper}`, `workdir=${work}`]),
      ...settings.filter(([key]) => key !== "source").map(([key, value]) => `${key}=${value}`),
      ...switches,
    ].join(",");
    return inside.classicMount("overlay", options, label("mount"));
  }
  const context = table.register();
  const mount = table.register();
  table.call("fsopen", [table.text("overlay"), FSOPEN_CLOEXEC], { into: context, ...label("fsopen") });
  const set = (key: string, value: string) =>
    table.call("fsconfig", [context, FSCONFIG.STRING, table.text(key), table.text(value), 0], label(`fsconfig ${key}`));
  for (const name of names) set("lowerdir+", name);
  if (upper !== undefined) set("upperdir", upper);
  if (work !== undefined) set("workdir", work);
  for (const [key, value] of settings) set(key, value);
  for (const key of switches) table.call("fsconfig", [context, FSCONFIG.FLAG, table.text(key), 0, 0], label(`fsconfig ${key}`));
  table.call("fsconfig", [context, FSCONFIG.CREATE, 0, 0, 0], label("making"));
  table.call("fsmount", [context, FSMOUNT_CLOEXEC, 0], { into: mount, ...label("fsmount") });
  table.call("close", [context]);
  return mount;
}

/** Opens a directory and gives the short name it has under /proc. */
function descriptorName(inside: Inside, path: string): string {
  const { table } = inside;
  const number = FIRST_DESCRIPTOR + inside.descriptors++;
  const flags = O.PATH | O.CLOEXEC | O_BY_ARCHITECTURE[inside.architecture].DIRECTORY;
  table.call("openat", [AT_FDCWD, table.text(path), flags, 0], { into: inside.scratch, label: `open ${path}` });
  table.call("dup3", [inside.scratch, number, O.CLOEXEC], { label: "dup3 (the limit on open files is too low)" });
  table.call("close", [inside.scratch]);
  return `/proc/self/fd/${number}`;
}
