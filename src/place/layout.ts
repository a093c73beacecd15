import { closeSync, lstatSync, readdirSync, renameSync, statSync, unlinkSync } from "node:fs";
import { resolve as absolute, join } from "node:path";
import { encodeIndex, parseIndex } from "../image/documents.ts";
import { quietly, syncDirectorySync } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { makeFolder } from "../kit/make-folder.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, hexOf } from "../oci/digest.ts";
import type { Index } from "../oci/manifest.ts";
import { MEDIA } from "../oci/media-type.ts";
import type { Place } from "../oci/place.ts";
import { typeOfDocument } from "./documents.ts";
import { fileBytes, openRegular, readDocument } from "./file-bytes.ts";
import { exclusively, replaceIn, sweep, TEMPORARY, temporaryName, writeBlob } from "./layout-files.ts";
import { calledAs, fit, named, nameOf, REF } from "./names.ts";

/** What stands in the file `oci-layout`. Image-spec, image-layout.md. */
export const OCI_LAYOUT = '{"imageLayoutVersion": "1.0.0"}';

/** An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/sha256/`. Image-spec, image-layout.md. */
export interface Layout extends Place {
  readonly dir: string;
  /** What index.json lists, read anew. */
  index(): Promise<Index>;
  /**
   * The entry a build context names: by digest, else by tag (`latest` where none is given), else the only one there is.
   * Throws NOT_FOUND. BuildKit: `oci-layout://DIR[:TAG][@DIGEST]`.
   */
  find(wanted: { readonly digest?: Digest; readonly tag?: string }): Promise<Descriptor>;
}

/** Opens a layout that is there. Throws NOT_FOUND, MANIFEST (no layout, or of a version we do not know). */
export async function openLayout(path: string): Promise<Layout> {
  const dir = absolute(path);
  const stat = statSync(dir, { throwIfNoEntry: false });
  if (stat === undefined) throw new Failure("NOT_FOUND", `${printable(path)} does not exist`);
  if (!stat.isDirectory()) throw new Failure("MANIFEST", `${printable(path)} is not a directory, so it is no OCI layout`);
  checkVersion(readPart(dir, "oci-layout", 1 << 12), dir);
  return layoutAt(dir);
}

/** Opens a layout for writing; makes it where the directory is missing or empty. Throws MANIFEST where something else is there. */
export async function createLayout(path: string): Promise<Layout> {
  const dir = absolute(path);
  try {
    makeFolder(dir);
    if (lstatSync(join(dir, "oci-layout"), { throwIfNoEntry: false }) !== undefined) {
      await openLayout(dir);
    } else {
      const there = readdirSync(dir).filter((name) => !name.startsWith(TEMPORARY));
      if (there.length > 0) {
        throw new Failure("MANIFEST", `${printable(path)} is not empty and no OCI layout`, { hint: "Give a new or empty directory." });
      }
    }
    sweep(dir);
    makeFolder(join(dir, "blobs", "sha256"));
    if (lstatSync(join(dir, "index.json"), { throwIfNoEntry: false }) === undefined)
      replaceIn(dir, "index.json", encodeIndex(emptyIndex()));
    replaceIn(dir, "oci-layout", Buffer.from(OCI_LAYOUT));
  } catch (error) {
    throw storageFailure(error, "could not create", dir);
  }
  return layoutAt(dir);
}

function layoutAt(dir: string): Layout {
  const blobs = join(dir, "blobs", "sha256");
  const pathOf = (digest: Digest) => join(blobs, hexOf(digest));
  const readIndex = () => parseIndex(readPart(dir, "index.json", LIMITS.manifestBytes), `${printable(dir)}/index.json`);
  return {
    dir,
    index: async () => readIndex(),
    async find({ digest, tag = "latest" }) {
      const { manifests } = readIndex();
      const byDigest = digest && manifests.find((one) => one.digest === digest);
      const byTag = digest ? undefined : manifests.find((one) => one.annotations?.[REF] === tag || nameOf(one)?.tag === tag);
      // What stands beside an image to say something of it is none.
      const images = manifests.filter((one) => one.artifactType === undefined);
      const only = digest === undefined && images.length === 1 ? images[0] : undefined;
      const found = byDigest ?? byTag ?? only;
      if (found) return found;
      if (digest && lstatSync(pathOf(digest), { throwIfNoEntry: false })?.isFile()) return unlisted(dir, digest, pathOf(digest));
      throw new Failure("NOT_FOUND", `the layout ${printable(dir)} has no image ${printable(digest ?? tag)}`, {
        hint: `It lists: ${manifests.map((one) => printable(one.annotations?.[REF] ?? one.digest)).join(", ") || "nothing"}.`,
      });
    },
    async resolve(name) {
      const { manifests } = readIndex();
      if (name.digest !== undefined) return manifests.find((one) => one.digest === name.digest);
      const fits = manifests.map((one) => fit(one, name));
      const best = Math.max(0, ...fits);
      return best === 0 ? undefined : manifests[fits.indexOf(best)];
    },
    async has(digest) {
      return lstatSync(pathOf(digest), { throwIfNoEntry: false })?.isFile() ?? false;
    },
    async open(what) {
      realDirectory(dir, "blobs");
      realDirectory(dir, "blobs/sha256");
      const { fd, size } = openRegular(pathOf(what.digest), `blob ${what.digest}`);
      if (size === what.size) return fileBytes(fd, what);
      closeSync(fd);
      throw new Failure("DIGEST", `blob ${what.digest} of ${printable(dir)} has ${size} bytes where ${what.size} are announced`);
    },
    async put(bytes, expect) {
      const temporary = join(dir, temporaryName());
      try {
        const got = await writeBlob(temporary, bytes, expect);
        renameSync(temporary, pathOf(got.digest));
        return got;
      } catch (error) {
        quietly(() => unlinkSync(temporary));
        throw storageFailure(error, "could not write into", dir);
      }
    },
    async publish(name, root) {
      const entry = named(root, name);
      try {
        await exclusively(dir, () => {
          syncDirectorySync(blobs);
          const index = readIndex();
          const others = index.manifests.filter((one) => fit(one, name) < 2 && !(one.digest === root.digest && nameOf(one) === undefined));
          replaceIn(dir, "index.json", encodeIndex({ ...index, manifests: [...others, entry] }));
        });
      } catch (error) {
        throw storageFailure(error, "could not write", join(dir, "index.json"));
      }
    },
  };
}

/** Lists an image without a name, as `-o type=oci` does when no name was given. */
export async function publishUnnamed(layout: Layout, root: Descriptor): Promise<void> {
  await exclusively(layout.dir, async () => {
    const index = await layout.index();
    if (index.manifests.some((one) => one.digest === root.digest)) return;
    replaceIn(layout.dir, "index.json", encodeIndex({ ...index, manifests: [...index.manifests, named(root, undefined)] }));
  });
}

/** Lists an image as skopeo's `oci:PATH:REF` does, in the place of the one that was called so before. */
export async function publishAs(layout: Layout, root: Descriptor, ref: string): Promise<void> {
  await exclusively(layout.dir, async () => {
    const index = await layout.index();
    const others = index.manifests.filter((one) => one.annotations?.[REF] !== ref);
    replaceIn(layout.dir, "index.json", encodeIndex({ ...index, manifests: [...others, calledAs(root, ref)] }));
  });
}

function emptyIndex(): Index {
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests: [] };
}

/** A blob that index.json does not list but a digest asks for: its bytes say whether it is a manifest or an index. */
function unlisted(dir: string, digest: Digest, path: string): Descriptor {
  const bytes = readDocument(path, `blob ${digest}`, LIMITS.manifestBytes);
  if (digestOf(bytes) !== digest) throw new Failure("DIGEST", `blob ${digest} of ${printable(dir)} is damaged`);
  return { mediaType: typeOfDocument(bytes, digest), digest, size: bytes.length };
}

/** Refuses the layout unless its `oci-layout` file says version 1. Image-spec, image-layout.md, "oci-layout file". */
export function checkVersion(bytes: Uint8Array, where: string): void {
  let version: unknown;
  try {
    version = (JSON.parse(Buffer.from(bytes).toString("utf8")) as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
  } catch (error) {
    throw new Failure("MANIFEST", `${printable(where)}: the file oci-layout is not JSON`, { cause: error });
  }
  if (typeof version === "string" && /^1\.\d{1,9}\.\d{1,9}$/.test(version)) return;
  throw new Failure("MANIFEST", `${printable(where)}: unknown layout version ${printable(String(version).slice(0, 50))}; 1.0.0 is known`);
}

function readPart(dir: string, name: string, limit: number): Buffer {
  try {
    return readDocument(join(dir, name), name, limit);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "NOT_FOUND") throw error;
    throw new Failure("MANIFEST", `${printable(dir)} is no OCI layout: it has no ${name}`, { cause: error });
  }
}

/** A symlink in place of a directory of the layout could lead anywhere. */
function realDirectory(dir: string, name: string): void {
  const stat = lstatSync(join(dir, name), { throwIfNoEntry: false });
  if (stat?.isDirectory()) return;
  throw new Failure("MANIFEST", `${printable(dir)}/${name} ${stat === undefined ? "does not exist" : "is not a directory"}`);
}
