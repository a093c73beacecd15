/** Reads a saved image (an unpacked OCI layout or `docker save`) into plain values to compare. Shares no code with nought. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { compareNames } from "../../src/kit/bytes.ts";
import { readTar, type TarMember } from "./tar.ts";

/** One path of the merged tree. `mtime` (whole seconds) is left out when it is younger than RECENT: made by the build itself. */
export interface Row {
  readonly type: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly device?: string;
  readonly mtime?: number;
  readonly xattrs?: Readonly<Record<string, string>>;
  /** First name of the file that this is another name of. */
  readonly same?: string;
}

export interface History {
  readonly created_by?: string;
  readonly comment?: string;
  readonly author?: string;
  readonly empty_layer?: boolean;
}

/** An image as far as two builders can agree on it. */
export interface Picture {
  readonly tree: Readonly<Record<string, Row>>;
  /** Paths of each layer in the order of names, markers of deletion included; directories end in a slash. */
  readonly layers: readonly (readonly string[])[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly History[];
}

/** 2025-01-01: golden contexts are older, builds are younger. */
const RECENT = 1_735_689_600;

interface Inode {
  readonly member: TarMember;
  names: string[];
}

function normal(name: string): string {
  return `/${name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/")}`;
}

function remove(tree: Map<string, Inode>, path: string, itself: boolean): void {
  for (const key of tree.keys()) if (key.startsWith(path === "/" ? "/" : `${path}/`) || (itself && key === path)) tree.delete(key);
}

/** Lays one layer over the tree, as the OCI image-spec's layer.md says. */
function apply(tree: Map<string, Inode>, members: readonly TarMember[]): void {
  const mine = new Set<string>();
  for (const one of members) {
    const path = normal(one.name);
    const slash = path.lastIndexOf("/");
    const base = path.slice(slash + 1);
    if (base === ".wh..wh..opq") {
      const dir = slash === 0 ? "/" : path.slice(0, slash);
      for (const key of tree.keys()) if (key !== dir && key.startsWith(dir === "/" ? "/" : `${dir}/`) && !mine.has(key)) tree.delete(key);
    } else if (base.startsWith(".wh.")) remove(tree, `${path.slice(0, slash + 1)}${base.slice(4)}`, true);
    else {
      const before = tree.get(path);
      if (before && !(before.member.type === "dir" && one.type === "dir")) remove(tree, path, true);
      if (one.type === "hardlink") {
        const first = tree.get(normal(one.link));
        if (!first) throw new Error(`hard link ${one.name} to missing ${one.link}`);
        tree.set(path, first);
      } else tree.set(path, { member: one, names: [] });
      mine.add(path);
    }
  }
}

function row(path: string, node: Inode): Row {
  const { member } = node;
  const time = Math.floor(member.mtime);
  const first = node.names[0] as string;
  return {
    type: member.type,
    mode: member.mode.toString(8).padStart(4, "0"),
    uid: member.uid,
    gid: member.gid,
    ...(member.type === "file" ? { size: member.data.length, sha256: createHash("sha256").update(member.data).digest("hex") } : {}),
    ...(member.type === "symlink" ? { target: member.link } : {}),
    ...(member.type === "char" || member.type === "block" ? { device: `${member.major}:${member.minor}` } : {}),
    ...(time < RECENT ? { mtime: time } : {}),
    ...(Object.keys(member.xattrs).length > 0 ? { xattrs: member.xattrs } : {}),
    ...(node.names.length > 1 && path !== first ? { same: first } : {}),
  };
}

function blob(dir: string, digest: string): Buffer {
  const bytes = readFileSync(`${dir}/blobs/${digest.replace(":", "/")}`);
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== digest) throw new Error(`blob ${digest} is not what its name says`);
  return bytes;
}

function plain(bytes: Buffer): Buffer {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes);
  if (bytes.length > 4 && bytes.readUInt32LE(0) === 0xfd2fb528) return zstdDecompressSync(bytes);
  return bytes;
}

/** Reads the one image of a layout (nested indexes followed to their first entry). Verifies every digest on the way. */
export function readImage(dir: string): Picture {
  let document = JSON.parse(readFileSync(`${dir}/index.json`, "utf8"));
  while (document.manifests) document = JSON.parse(blob(dir, document.manifests[0].digest).toString("utf8"));
  const { history, rootfs, created: _, ...config } = JSON.parse(blob(dir, document.config.digest).toString("utf8"));
  const tree = new Map<string, Inode>();
  const layers: string[][] = [];
  for (const [k, layer] of (document.layers ?? []).entries()) {
    const bytes = plain(blob(dir, layer.digest));
    if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== rootfs.diff_ids[k]) throw new Error(`layer ${k}: wrong diffID`);
    const members = readTar(bytes);
    apply(tree, members);
    layers.push(members.map((one) => normal(one.name) + (one.type === "dir" ? "/" : "")).sort(compareNames));
  }
  const paths = [...tree.keys()].sort(compareNames);
  for (const path of paths) tree.get(path)?.names.push(path);
  return {
    tree: Object.fromEntries(paths.map((path) => [path, row(path, tree.get(path) as Inode)])),
    layers,
    config,
    history: (history ?? []).map(({ created: __, ...rest }: { created?: string }) => rest),
  };
}
