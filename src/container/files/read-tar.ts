import { decompress } from "../../format/decompress.ts";
import { foreignKind } from "../../format/detect.ts";
import type { TarMember } from "../../format/tar-member.ts";
import { TarParser } from "../../format/tar-read.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Task } from "../../task/task.ts";
import type { Item } from "./item.ts";
import type { FolderWriter } from "./write-folder.ts";

/**
 * Reads a tar archive, compressed in any way we know, into a writer: docker cp - CONTAINER:PATH. Names are taken below the place that is
 * written to, whatever they begin with. Throws TAR, COMPRESSION, LIMIT, INTERRUPTED, and what the writer throws.
 */
export async function readTar(source: AsyncIterable<Uint8Array>, writer: FolderWriter, task: Task): Promise<void> {
  const { bytes, kind, head } = await decompress(source);
  const foreign = kind === "other" ? foreignKind(head) : undefined;
  if (foreign !== undefined) throw new Failure("TAR", `the input is no tar archive: it looks like ${foreign}`);
  const parser = new TarParser(
    {
      member: (member) => writer.begin(itemOf(member)),
      data: (chunk) => writer.data(chunk),
      done: () => writer.done(),
    },
    "the input",
  );
  try {
    for await (const chunk of bytes) {
      if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while copying");
      parser.push(chunk);
    }
    parser.end();
    writer.end();
  } finally {
    writer.abort();
  }
}

function itemOf(member: TarMember): Item {
  const { type, mode, uid, gid, mtime, size, link, major, minor, xattrs } = member;
  const path = relative(member.path);
  return {
    path,
    kind: type,
    mode,
    uid,
    gid,
    mtime: Math.floor(mtime),
    size,
    ...(type === "symlink" ? { target: link } : type === "hardlink" ? { target: relative(link) } : {}),
    ...(type === "char" || type === "block" ? { major, minor } : {}),
    ...(xattrs ? { xattrs } : {}),
  };
}

function relative(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new Failure("TAR", `the archive holds ${printable(path)}, which leads out of where it is copied to`);
  return parts.join("/") || ".";
}
