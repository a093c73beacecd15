/** Makes the folders that a golden case builds from, out of plain data. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { encodeName } from "../../src/kit/bytes.ts";
import { writeTar } from "./tar.ts";

/** One thing to make. Exactly one of the kinds; times are ISO or seconds, modes octal text. Order is that of making. */
export interface Node {
  readonly path: string;
  readonly file?: string;
  readonly base64?: string;
  /** So many bytes of a fixed pattern. */
  readonly bytes?: number;
  readonly dir?: true;
  readonly symlink?: string;
  readonly hardlink?: string;
  readonly fifo?: true;
  /** An archive with these members, perhaps compressed, perhaps cut to so many bytes. */
  readonly tar?: readonly Node[];
  readonly compress?: "gzip" | "zstd";
  readonly cut?: number;
  readonly mode?: string;
  readonly mtime?: string | number;
  /** Members of archives only (the tests need not be root), but `own` of the outer folder where they are. */
  readonly uid?: number;
  readonly gid?: number;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly device?: readonly ["char" | "block", number, number];
}

/** Every time that a case does not name: 2020-01-01T00:00:00Z, long ago, so that "just now" can be told apart. */
export const DEFAULT_TIME = 1_577_836_800;

function seconds(time: string | number | undefined): number {
  return time === undefined ? DEFAULT_TIME : typeof time === "number" ? time : Date.parse(time) / 1000;
}

function bytesOf(node: Node): Buffer {
  if (node.tar) {
    let bytes = archive(node.tar);
    if (node.compress === "gzip") bytes = gzipSync(bytes);
    if (node.compress === "zstd") bytes = zstdCompressSync(bytes);
    return node.cut === undefined ? bytes : bytes.subarray(0, node.cut);
  }
  if (node.base64 !== undefined) return Buffer.from(node.base64, "base64");
  if (node.bytes !== undefined) return Buffer.alloc(node.bytes, "0123456789abcdef\n");
  return Buffer.from(node.file ?? "", "utf8");
}

/** The tar archive of these members. */
export function archive(nodes: readonly Node[]): Buffer {
  return writeTar(
    nodes.map((node) => ({
      name: node.path,
      type: node.dir
        ? "dir"
        : node.symlink !== undefined
          ? "symlink"
          : node.hardlink !== undefined
            ? "hardlink"
            : node.device
              ? node.device[0]
              : node.fifo
                ? "fifo"
                : "file",
      mode: Number.parseInt(node.mode ?? (node.dir ? "755" : "644"), 8),
      uid: node.uid ?? 0,
      gid: node.gid ?? 0,
      mtime: seconds(node.mtime),
      link: node.symlink ?? node.hardlink ?? "",
      major: node.device?.[1] ?? 0,
      minor: node.device?.[2] ?? 0,
      ...(node.xattrs ? { xattrs: node.xattrs } : {}),
      data: node.dir || node.symlink !== undefined || node.hardlink !== undefined ? Buffer.alloc(0) : bytesOf(node),
    })),
  );
}

/** Makes all nodes below `root`, then sets modes and times, deepest first. */
export function makeTree(root: string, nodes: readonly Node[]): void {
  mkdirSync(root, { recursive: true });
  const at = (path: string) => Buffer.concat([Buffer.from(`${root}/`), encodeName(path)]);
  const seen = new Set<string>(nodes.map((node) => node.path));
  const all: Node[] = [...nodes];
  for (const node of nodes) {
    const parent = dirname(node.path);
    for (let dir = parent; dir !== "." && dir !== "/"; dir = dirname(dir)) {
      mkdirSync(at(parent), { recursive: true });
      if (!seen.has(dir)) {
        seen.add(dir);
        all.push({ path: dir, dir: true });
      }
    }
    if (node.dir) mkdirSync(at(node.path), { recursive: true });
    else if (node.symlink !== undefined) symlinkSync(encodeName(node.symlink), at(node.path));
    else if (node.hardlink !== undefined) linkSync(at(node.hardlink), at(node.path));
    else if (node.fifo) execFileSync("mkfifo", [join(root, node.path)]);
    else writeFileSync(at(node.path), bytesOf(node));
    if (process.getuid?.() === 0 && (node.uid !== undefined || node.gid !== undefined))
      chownSync(at(node.path), node.uid ?? 0, node.gid ?? 0);
  }
  const depth = (path: string) => path.split("/").length;
  all.sort((a, b) => depth(b.path) - depth(a.path));
  for (const node of all) {
    if (node.symlink === undefined && node.hardlink === undefined)
      chmodSync(at(node.path), Number.parseInt(node.mode ?? (node.dir ? "755" : "644"), 8));
    if (node.hardlink === undefined) lutimesSync(at(node.path), seconds(node.mtime), seconds(node.mtime));
  }
}
