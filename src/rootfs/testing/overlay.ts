/** For tests of this room: real overlay mounts in a mount namespace of their own, and a way to look at what they show. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { decodeName } from "../../kit/bytes.ts";
import { ownPrivileges } from "../../sandbox/privileges.ts";
import { notedOwner, OWNER_ATTRIBUTE } from "../../sandbox/seccomp/owners.ts";
import { fsName } from "../../tree/content.ts";
import type { Entry, FileEntry } from "../../tree/entry.ts";
import type { Tree } from "../../tree/tree.ts";
import { isOwnBook } from "../owner.ts";
import type { UnpackHow } from "../unpack.ts";

/** Why overlays cannot be tried here, or false. */
export function whyNot(): string | false {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  const tried = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
  return tried.status === 0 ? false : "unshare -m and mount do not work here";
}

/** As the sandbox mounts it (src/sandbox/overlay.ts). */
const OPTIONS = "redirect_dir=nofollow,metacopy=off,index=off,xino=off,uuid=null";

/** An overlay, reached from outside of its namespace through /proc. */
export class Overlay implements AsyncDisposable {
  readonly root: string;
  readonly #child: ChildProcess;
  private constructor(child: ChildProcess, root: string) {
    this.#child = child;
    this.root = root;
  }

  /** Lowers come lowest first. `dir` gets the upper and the work directory, unless there is to be none. */
  static async mount(lowers: readonly string[], dir: string, writable = true): Promise<Overlay> {
    for (const name of ["upper", "work", "merged"]) mkdirSync(`${dir}/${name}`, { recursive: true });
    const top = lowers.toReversed().join(":");
    const options = `lowerdir=${top}${writable ? `,upperdir=${dir}/upper,workdir=${dir}/work` : ""},${OPTIONS}${ownPrivileges().initial ? "" : ",userxattr"}${writable ? ",volatile" : ""}`;
    const child = spawn(
      "unshare",
      ["-m", "sh", "-c", `mount -t overlay overlay -o "$1" "$2" && echo && read x`, "sh", options, `${dir}/merged`],
      {
        stdio: ["pipe", "pipe", "pipe"],
      },
    );
    let trouble = "";
    child.stderr?.on("data", (piece) => (trouble += piece));
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", () => reject(new Error(`no overlay: ${trouble}`)));
    });
    return new Overlay(child, `/proc/${child.pid}/root${dir}/merged`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}

/** What to print of attributes, and whose a file is: where owners are noted, only files and directories have any. */
function facts(
  how: PictureHow,
  kind: string,
  owner: { readonly uid: number; readonly gid: number },
  mtime: number,
  xattrs: ReadonlyMap<string, Uint8Array> | undefined,
): string {
  const noted = how.ids === "mine" && (kind === "dir" || kind === "file") ? notedOwner(xattrs?.get(OWNER_ATTRIBUTE)) : undefined;
  const { uid, gid } = noted ?? owner;
  const whose = how.ids === "keep" || kind === "dir" || kind === "file" ? `${uid}:${gid}` : "-";
  const shown = [...(xattrs ?? [])].filter(([name]) => name === "security.capability" || (name.startsWith("user.") && !isOwnBook(name)));
  const list = shown.map(([name, value]) => ` ${name}=${Buffer.from(value).toString("hex")}`).sort();
  return `${whose} ${mtime}${list.join("")}`;
}

export type PictureHow = Pick<UnpackHow, "calls" | "ids">;

/** One line for each entry: what a container sees, with times in whole seconds. Sockets are left out. */
export function picture(root: string, how: PictureHow): string[] {
  const all: { readonly file: string; readonly path: string; readonly stats: Stats }[] = [];
  const walk = (folder: string, at: string) => {
    for (const name of readdirSync(fsName(folder), { encoding: "buffer" }).map(decodeName)) {
      const [file, path] = [`${folder}/${name}`, `${at}/${name}`];
      const stats = lstatSync(fsName(file));
      if (stats.isSocket()) continue;
      all.push({ file, path, stats });
      if (stats.isDirectory()) walk(file, path);
    }
  };
  walk(root, "");
  const xattrs = how.calls.attributes(all.map((one) => one.file));
  const lines = all.map(({ file, path, stats }, at) => {
    const text = (kind: string) => facts(how, kind, stats, Math.floor(stats.mtimeMs / 1000), xattrs[at]);
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isDirectory()) return `${path} dir ${mode} ${text("dir")}`;
    if (stats.isSymbolicLink()) return `${path} link ${text("symlink")} ${decodeName(readlinkSync(fsName(file), { encoding: "buffer" }))}`;
    if (stats.isFile()) return `${path} file ${mode} ${text("file")} ${readFileSync(fsName(file), "latin1")}`;
    return stats.isFIFO() ? `${path} fifo ${mode} ${text("fifo")}` : `${path} device ${stats.rdev} ${mode} ${text("device")}`;
  });
  return lines.sort();
}

/** The same of a merged tree. `read` gives a file's bytes. */
export function treePicture(tree: Tree, how: PictureHow, read: (file: FileEntry) => Buffer): string[] {
  const line = (entry: Entry): string => {
    const text = facts(how, entry.kind, entry, entry.mtime, entry.xattrs);
    const mode = entry.mode.toString(8);
    if (entry.kind === "symlink") return `${entry.path} link ${text} ${entry.target}`;
    if (entry.kind === "file") return `${entry.path} file ${mode} ${text} ${read(entry).toString("latin1")}`;
    if (entry.kind === "char" || entry.kind === "block")
      return `${entry.path} device ${(entry.minor & 0xff) + entry.major * 256 + (entry.minor >> 8) * 2 ** 20} ${mode} ${text}`;
    return `${entry.path} ${entry.kind} ${mode} ${text}`;
  };
  return [...tree.walk()].map(line).sort();
}
