import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { createTask } from "../../task/task.ts";
import type { Entry } from "../../tree/entry.ts";
import { isWithin, toPath } from "../../tree/path.ts";
import type { Invocation } from "../command.ts";
import { wholeTree } from "../files/find.ts";
import { openFiles } from "../files/open.ts";

const LETTERS = { file: "-", dir: "d", symlink: "l", hardlink: "-", char: "c", block: "b", fifo: "p", whiteout: "?" } as const;

/** `nought ls-files`: what a container of an image would see, one path a line. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const [text = "", ...words] = call.args;
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  await using files = await openFiles(call, text, flags.string("platform"), task);
  const tree = await wholeTree(files.image, files.shelf);
  const paths = words.map((word) => toPath(word));
  for (const path of paths)
    if (path !== "/" && !tree.get(path)) throw new Failure("NOT_FOUND", `${printable(path)}: no such file or directory in the image`);
  const [long, json, end] = [flags.bool("long"), flags.bool("json"), flags.bool("null") ? "\0" : "\n"];
  let lines = "";
  for (const entry of tree.walk()) {
    if (paths.length > 0 && !paths.some((path) => entry.path === path || isWithin(entry.path, path))) continue;
    const name = flags.bool("null") ? entry.path : printable(entry.path);
    lines += (json ? JSON.stringify(factsOf(entry)) : long ? `${longOf(entry)} ${name}${linkOf(entry)}` : name) + end;
    if (lines.length < 1 << 16) continue;
    call.out(lines);
    lines = "";
  }
  call.out(lines);
}

function linkOf(entry: Entry): string {
  return entry.kind === "symlink" ? ` -> ${printable(entry.target)}` : "";
}

/** `-rwxr-xr-x 0 0 1234 2026-01-01T00:00:00Z`. */
function longOf(entry: Entry): string {
  const { kind, mode, uid, gid, mtime } = entry;
  const size =
    entry.kind === "file" ? String(entry.size) : entry.kind === "char" || entry.kind === "block" ? `${entry.major},${entry.minor}` : "0";
  const time = new Date(mtime * 1000);
  const when = Number.isNaN(time.getTime()) ? String(mtime) : time.toISOString().replace(".000Z", "Z");
  return `${LETTERS[kind]}${bits(mode)} ${String(uid).padStart(5)} ${String(gid).padStart(5)} ${size.padStart(10)} ${when}`;
}

/** Permission bits as ls shows them, set-id and sticky bits in the places of the x. */
function bits(mode: number): string {
  const special = [0o4000, 0o2000, 0o1000].map((bit) => (mode & bit) !== 0);
  return [6, 3, 0]
    .map((shift, at) => {
      const three = (mode >> shift) & 7;
      const letter = at === 2 ? "t" : "s";
      const last = special[at] ? ((three & 1) !== 0 ? letter : letter.toUpperCase()) : (three & 1) !== 0 ? "x" : "-";
      return `${three & 4 ? "r" : "-"}${three & 2 ? "w" : "-"}${last}`;
    })
    .join("");
}

function factsOf(entry: Entry): Record<string, unknown> {
  const { path, kind, mode, uid, gid, mtime } = entry;
  return {
    path,
    kind,
    mode: (mode & 0o7777).toString(8).padStart(4, "0"),
    uid,
    gid,
    mtime,
    ...(entry.kind === "file" ? { size: entry.size, ...(entry.digest ? { digest: entry.digest } : {}) } : {}),
    ...(entry.kind === "symlink" ? { target: entry.target } : {}),
    ...(entry.kind === "char" || entry.kind === "block" ? { major: entry.major, minor: entry.minor } : {}),
    ...(entry.xattrs ? { xattrs: [...entry.xattrs.keys()] } : {}),
  };
}
