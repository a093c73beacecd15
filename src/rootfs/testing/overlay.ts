/** For tests of this room: real overlay mounts in a mount namespace of their own, and a way to look at what they show. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { decodeName } from "../../kit/bytes.ts";
import { fsName } from "../../tree/content.ts";
import type { Entry, FileEntry } from "../../tree/entry.ts";
import type { Tree } from "../../tree/tree.ts";

/** Why overlays cannot be tried here, or false. */
export function whyNot(): string | false {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  const tried = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
  return tried.status === 0 ? false : "unshare -m and mount do not work here";
}

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
    const options = `lowerdir=${top}${writable ? `,upperdir=${dir}/upper,workdir=${dir}/work` : ""},redirect_dir=nofollow,metacopy=off,index=off,xino=off`;
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

/** One line for each entry: what a container sees, times in whole seconds, and which names are one file. */
export function picture(root: string, inodes = false): string[] {
  const lines: string[] = [];
  const first = new Map<number, string>();
  const walk = (folder: string, at: string) => {
    for (const name of readdirSync(fsName(folder), { encoding: "buffer" }).map(decodeName)) {
      const [file, path] = [`${folder}/${name}`, `${at}/${name}`];
      const stats = lstatSync(fsName(file));
      const facts = `${stats.uid}:${stats.gid} ${Math.floor(stats.mtimeMs / 1000)}`;
      const mode = (stats.mode & 0o7777).toString(8);
      if (stats.isDirectory()) lines.push(`${path} dir ${mode} ${facts}`);
      else if (stats.isSymbolicLink()) lines.push(`${path} link ${facts} ${readlinkSync(fsName(file))}`);
      else if (stats.isFile()) {
        const same = inodes && stats.nlink > 1 ? first.get(stats.ino) : undefined;
        if (stats.nlink > 1 && same === undefined) first.set(stats.ino, path);
        lines.push(`${path} file ${mode} ${facts} ${readFileSync(fsName(file), "latin1")}${same ? ` = ${same}` : ""}`);
      } else lines.push(`${path} ${stats.isFIFO() ? "fifo" : stats.isSocket() ? "socket" : `device ${stats.rdev}`} ${mode} ${facts}`);
      if (stats.isDirectory()) walk(file, path);
    }
  };
  walk(root, "");
  return lines.sort();
}

/** The same of a merged tree. `read` gives a file's bytes. */
export function treePicture(tree: Tree, read: (file: FileEntry) => Buffer): string[] {
  const line = (entry: Entry): string => {
    const facts = `${entry.uid}:${entry.gid} ${entry.mtime}`;
    const mode = entry.mode.toString(8);
    if (entry.kind === "symlink") return `${entry.path} link ${facts} ${entry.target}`;
    if (entry.kind === "file") return `${entry.path} file ${mode} ${facts} ${read(entry).toString("latin1")}`;
    if (entry.kind === "char" || entry.kind === "block") return `${entry.path} device ${entry.major * 256 + entry.minor} ${mode} ${facts}`;
    return `${entry.path} ${entry.kind} ${mode} ${facts}`;
  };
  return [...tree.walk()].map(line).sort();
}
