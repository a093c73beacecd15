import { createHash, hash } from "node:crypto";
import { decompress } from "../format/decompress.ts";
import { foreignKind, type StreamKind } from "../format/detect.ts";
import type { TarMember } from "../format/tar-member.ts";
import { TarParser } from "../format/tar-read.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, hasher } from "../oci/digest.ts";
import { layerCompression } from "../oci/media-type.ts";
import type { Task } from "../task/task.ts";
import type { Draft, Entry } from "../tree/entry.ts";
import { nameOf, type Path, parentOf, ROOT } from "../tree/path.ts";
import { LayerDraft } from "./layer-draft.ts";
import { memberPath, memberTime, memberXattrs } from "./member-entry.ts";

/** What is said of a layer before it is read, by the config and by the manifest, and what is wanted of the reading. */
export interface DeclaredLayer {
  readonly diffId?: Digest;
  readonly mediaType?: string;
  /** What messages call it; `layer` or its diffID where that is missing. */
  readonly label?: string;
  /** Gets the uncompressed tar, piece by piece; a piece is its own until what it returns settles. */
  readonly take?: (piece: Uint8Array) => void | Promise<void>;
  /** What it goes by instead of its diffID, which is then not computed: for archives whose bytes were verified before. */
  readonly as?: Digest;
}

/** A layer that was read once from end to end. */
export interface IndexedLayer {
  readonly diffId: Digest;
  /** In canonical order, contents pointing into the uncompressed tar. Parents that the layer does not name are not in it. */
  readonly draft: Draft;
  /** Bytes of the uncompressed tar, what follows its end included. */
  readonly size: number;
  /** How the bytes were compressed, as they themselves tell. */
  readonly compression: "uncompressed" | Exclude<StreamKind, "tar" | "other">;
  /** Members whose path came before. */
  readonly repeated: number;
  /** Members whose directory did not come before them: later, or not at all. */
  readonly orphans: number;
}

/**
 * Reads a layer, compressed or not, in one pass: its diffID, the digest of each file, and its entries as a draft (OCI image-spec,
 * layer.md; `whiteout` entries for `.wh.NAME`, `opaque` directories for `.wh..wh..opq`). The compression is told by the bytes; a media type
 * that says otherwise gives a note. Throws TAR, COMPRESSION, LIMIT, and DIGEST where the diffID is not the declared one.
 */
export async function indexLayer(
  source: AsyncIterable<Uint8Array>,
  declared: DeclaredLayer | undefined,
  task: Task,
): Promise<IndexedLayer> {
  const { kind, head, bytes } = await decompress(source);
  const said = declared?.mediaType === undefined ? undefined : layerCompression(declared.mediaType);
  const compression = kind === "tar" || kind === "other" ? "uncompressed" : kind;
  if (said !== undefined && said !== compression)
    task.emit({
      type: "note",
      text: `a layer is called ${said} by its media type, but its bytes are ${compression}; they are what counts`,
    });
  const label = declared?.label ?? (declared?.diffId === undefined ? "layer" : `layer ${declared.diffId}`);
  const reader = new LayerReader();
  const parser = new TarParser(reader, label);
  const diff = hasher();
  let size = 0;
  try {
    for await (const piece of bytes) {
      if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while it was read");
      if (declared?.as === undefined) diff.update(piece);
      parser.push(piece);
      await declared?.take?.(piece);
      size += piece.length;
    }
    parser.end();
    const diffId = declared?.as ?? diff.digest();
    if (declared?.diffId !== undefined && diffId !== declared.diffId)
      throw new Failure("DIGEST", `layer ${declared.diffId}: its bytes unpack to ${diffId}`);
    return { diffId, size, compression, ...reader.finish(diffId) };
  } catch (cause) {
    const foreign = cause instanceof Failure && cause.code === "TAR" && kind === "other" ? foreignKind(head) : undefined;
    if (foreign) throw new Failure("COMPRESSION", `${label}: not a tar archive that nought reads, but ${foreign}`, { cause });
    throw cause instanceof Failure && !cause.message.startsWith(label)
      ? new Failure(cause.code, `${label}: ${cause.message}`, { cause })
      : cause;
  }
}

/** Hashes files and builds the draft while the parser tells of members. */
class LayerReader {
  readonly #draft = new LayerDraft();
  #file: TarMember | undefined;
  #path: Path = ROOT;
  #hash: ReturnType<typeof createHash> | undefined;
  #digest: Digest | undefined;

  member(member: TarMember): void {
    const path = memberPath(member.path);
    if (path === undefined) throw new Failure("TAR", `${printable(member.path)}: a name with a ".." part`);
    this.#file = undefined;
    if (path.includes("/.wh.") && this.#marker(path, member)) return;
    if (member.type === "file") {
      this.#file = member;
      this.#path = path;
    } else this.#draft.add(withXattrs(entryOf(path, member), member));
  }

  data(chunk: Buffer): void {
    if (!this.#file) return;
    if (chunk.length === this.#file.size) this.#digest = `sha256:${hash("sha256", chunk, "hex")}` as Digest;
    else {
      this.#hash ??= createHash("sha256");
      this.#hash.update(chunk);
    }
  }

  done(): void {
    const member = this.#file;
    if (!member) return;
    const content = { in: "layer", diffId: UNKNOWN, offset: member.offset } as const;
    const digest = this.#hash ? (`sha256:${this.#hash.digest("hex")}` as Digest) : (this.#digest ?? EMPTY);
    const { mode, uid, gid, size } = member;
    const entry: Entry = { kind: "file", path: this.#path, mode, uid, gid, mtime: memberTime(member), size, content, digest };
    this.#draft.add(withXattrs(entry, member));
    this.#hash = undefined;
    this.#digest = undefined;
    this.#file = undefined;
  }

  /** The draft, once it is known what the layer is called. */
  finish(diffId: Digest): Pick<IndexedLayer, "draft" | "repeated" | "orphans"> {
    const { repeated, orphans } = this.#draft;
    const draft = this.#draft.finish();
    for (const entry of draft) {
      if (entry.kind === "file" && entry.content.in === "layer") (entry.content as { diffId: Digest }).diffId = diffId;
    }
    return { draft, repeated, orphans };
  }

  /** Whiteouts of any type, as other tools take them. False for a name that only looks like one. */
  #marker(path: Path, member: TarMember): boolean {
    const name = nameOf(path);
    const dir = parentOf(path);
    if (dir.includes("/.wh.")) {
      // Left over by AUFS, which kept books of its own under `.wh..wh.` names; the other tools pass over it too.
      if (dir.includes("/.wh..wh.")) return true;
      throw new Failure("TAR", `${printable(path)}: it lies in a whiteout`);
    }
    if (name === ".wh..wh..opq") this.#draft.opaque(dir);
    else if (!name.startsWith(".wh..wh.")) {
      const hidden = name.slice(4);
      if (hidden === "" || hidden === "." || hidden === "..")
        throw new Failure("TAR", `${printable(path)}: a whiteout of nothing, or of a directory itself`);
      const { mode, uid, gid } = member;
      this.#draft.whiteout((dir === ROOT ? `/${hidden}` : `${dir}/${hidden}`) as Path, { mode, uid, gid, mtime: memberTime(member) });
    }
    return true;
  }
}

/** The entry of a member that is neither file nor whiteout. Written out field by field: a layer may have a million. */
function entryOf(path: Path, member: TarMember): Entry {
  const { mode, uid, gid, type } = member;
  const mtime = memberTime(member);
  switch (type) {
    case "symlink":
      return { kind: type, path, mode, uid, gid, mtime, target: member.link };
    case "hardlink": {
      const target = memberPath(member.link);
      if (target === undefined) throw new Failure("TAR", `${printable(path)}: a hard link to a name with a ".." part`);
      return { kind: type, path, mode, uid, gid, mtime, target };
    }
    case "char":
    case "block":
      return { kind: type, path, mode, uid, gid, mtime, major: member.major, minor: member.minor };
    case "dir":
    case "fifo":
      return { kind: type, path, mode, uid, gid, mtime };
    default:
      throw new Error(`internal: a ${type} is no such entry`);
  }
}

function withXattrs(entry: Entry, member: TarMember): Entry {
  const xattrs = memberXattrs(member);
  return xattrs ? { ...entry, xattrs } : entry;
}

const EMPTY = `sha256:${hash("sha256", "", "hex")}` as Digest;
/** Stands in contents until the layer was read to its end. */
const UNKNOWN = "sha256:" as Digest;
