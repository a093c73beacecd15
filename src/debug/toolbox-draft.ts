import { lstatSync } from "node:fs";
import type { DirEntry, Draft, Entry } from "../tree/entry.ts";
import { sortByPath } from "../tree/order.ts";
import { toPath } from "../tree/path.ts";
import { stampOf } from "../tree/stamp.ts";
import type { Busybox } from "./busybox.ts";

const DIRECTORIES: readonly (readonly [string, number])[] = [
  ["/bin", 0o755],
  ["/etc", 0o755],
  ["/root", 0o700],
  ["/tmp", 0o1777],
  ["/usr", 0o755],
];

/** Every name that scripts know programs by leads to /bin. */
const LINKS: readonly (readonly [string, string])[] = [
  ["/sbin", "bin"],
  ["/usr/bin", "../bin"],
  ["/usr/sbin", "../bin"],
];

const FILES: readonly (readonly [string, string])[] = [
  ["/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"],
  ["/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"],
  ["/etc/shells", "/bin/sh\n"],
];

/** What a toolbox holds: busybox under all its names, and the files that a root file system is expected to have. All times are 0. */
export function toolboxDraft(busybox: Busybox): Draft {
  const stats = lstatSync(busybox.path);
  const facts = { uid: 0, gid: 0, mtime: 0 };
  const entries: Entry[] = [
    ...DIRECTORIES.map(([path, mode]): DirEntry => ({ kind: "dir", path: toPath(path), mode, ...facts })),
    {
      kind: "file",
      path: toPath("/bin/busybox"),
      mode: 0o755,
      ...facts,
      size: stats.size,
      content: { in: "host", path: busybox.path, stamp: stampOf(stats) },
    },
    ...FILES.map(([path, text]): Entry => {
      const bytes = Buffer.from(text);
      return { kind: "file", path: toPath(path), mode: 0o644, ...facts, size: bytes.length, content: { in: "memory", bytes } };
    }),
    ...[...LINKS, ...busybox.applets.filter((name) => name !== "busybox").map((name) => [`/bin/${name}`, "busybox"] as const)].map(
      ([path, target]): Entry => ({ kind: "symlink", path: toPath(path), mode: 0o777, ...facts, target }),
    ),
  ];
  return sortByPath(entries);
}
