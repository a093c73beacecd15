import { closeSync, lstatSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync } from "node:fs";
import { resolve as absolute, join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { makeFolder } from "../kit/make-folder.ts";
import { printable } from "../kit/printable.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf, hexOf } from "../oci/digest.ts";
import { isIndexType, isManifestType } from "../oci/media-type.ts";
import type { BytesReader, BytesWriter } from "../oci/place.ts";
import { typeOfDocument } from "./documents.ts";
import { fileBytes, openRegular, readDocument } from "./file-bytes.ts";
import { replaceIn, sweep, TEMPORARY, temporaryName, writeBlob } from "./layout-files.ts";

/** What the file `version` says, and how it begins whatever the version. */
const VERSION = "Directory Transport Version: 1.1\n";
const VERSIONS = /^Directory Transport Version: 1\.\d{1,4}\n?$/;
const ROOT = "manifest.json";
const OURS = /^(?:[0-9a-f]{64}(?:\.manifest\.json)?|signature-\d{1,9}|[0-9a-f]{64}\.signature-\d{1,9})$/;

/** One image in a folder, a file for each of its parts. */
export interface ImageDir extends BytesReader, BytesWriter {
  /** Makes a manifest or index that was put the folder's one image, and removes the files of the image that was there before. */
  publish(root: Descriptor): Promise<void>;
}

/**
 * Opens the image of a folder as skopeo's `dir:` keeps it: `manifest.json`, `HEX.manifest.json` for each further document, `HEX` for each
 * blob, and `version`. containers-transports(5). Throws NOT_FOUND, MANIFEST, LIMIT.
 */
export async function openImageDir(path: string): Promise<{ readonly from: BytesReader; readonly root: Descriptor }> {
  const dir = absolute(path);
  const stat = statSync(dir, { throwIfNoEntry: false });
  if (stat === undefined) throw new Failure("NOT_FOUND", `${printable(path)} does not exist`);
  if (!stat.isDirectory()) throw new Failure("MANIFEST", `${printable(path)} is not a directory`);
  let bytes: Buffer;
  try {
    bytes = readDocument(join(dir, ROOT), ROOT, LIMITS.manifestBytes);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "NOT_FOUND") throw error;
    const layout = lstatSync(join(dir, "oci-layout"), { throwIfNoEntry: false }) !== undefined;
    const hint = layout ? `It is an OCI layout: name it oci:${printable(path)}.` : "Name a folder that `copy IMAGE dir:PATH` wrote.";
    throw new Failure("MANIFEST", `${printable(path)} holds no image: it has no ${ROOT}`, { hint });
  }
  const digest = digestOf(bytes);
  const root = { mediaType: typeOfDocument(bytes, `${printable(path)}/${ROOT}`), digest, size: bytes.length };
  return { from: reader(dir, digest), root };
}

/** Opens a folder to write one image into; makes it where it is missing. Throws MANIFEST where something else is there, STORAGE. */
export async function createImageDir(path: string): Promise<ImageDir> {
  const dir = absolute(path);
  try {
    makeFolder(dir);
    const there = readdirSync(dir).filter((name) => !name.startsWith(TEMPORARY));
    if (there.length > 0 && !VERSIONS.test(versionOf(dir))) {
      throw new Failure("MANIFEST", `${printable(path)} is not empty and no image in skopeo's dir: form`, {
        hint: "Give a new or empty directory.",
      });
    }
    sweep(dir);
    replaceIn(dir, "version", Buffer.from(VERSION));
  } catch (error) {
    throw storageFailure(error, "could not create", dir);
  }
  return writer(dir);
}

function reader(dir: string, root: Digest | undefined): BytesReader {
  const pathOf = (digest: Digest, document: boolean) => join(dir, document ? `${hexOf(digest)}.manifest.json` : hexOf(digest));
  const find = (digest: Digest, mediaType?: string) => {
    if (digest === root) return join(dir, ROOT);
    return pathOf(digest, mediaType !== undefined && (isManifestType(mediaType) || isIndexType(mediaType)));
  };
  return {
    has: async (digest, mediaType) => lstatSync(find(digest, mediaType), { throwIfNoEntry: false })?.isFile() ?? false,
    async open(what) {
      const { fd, size } = openRegular(find(what.digest, what.mediaType), what.digest);
      if (size === what.size) return fileBytes(fd, what);
      closeSync(fd);
      throw new Failure("DIGEST", `${what.digest} of ${printable(dir)} has ${size} bytes where ${what.size} are announced`);
    },
  };
}

function writer(dir: string): ImageDir {
  const before = new Set(readdirSync(dir).filter((name) => OURS.test(name)));
  const { has, open } = reader(dir, undefined);
  return {
    async has(digest, mediaType) {
      const there = await has(digest, mediaType);
      if (there) before.delete(nameOf(digest, mediaType));
      return there;
    },
    open,
    async put(bytes, expect) {
      const temporary = join(dir, temporaryName());
      try {
        const got = await writeBlob(temporary, bytes, expect);
        const name = nameOf(got.digest, expect?.mediaType);
        before.delete(name);
        renameSync(temporary, join(dir, name));
        return got;
      } catch (error) {
        quietly(() => unlinkSync(temporary));
        throw storageFailure(error, "could not write into", dir);
      }
    },
    async publish(root) {
      const name = nameOf(root.digest, root.mediaType);
      try {
        replaceIn(dir, ROOT, readFileSync(join(dir, name)));
        for (const one of [name, ...before]) quietly(() => unlinkSync(join(dir, one)));
      } catch (error) {
        throw storageFailure(error, "could not write", join(dir, ROOT));
      }
    },
  };
}

function nameOf(digest: Digest, mediaType: string | undefined): string {
  const document = mediaType !== undefined && (isManifestType(mediaType) || isIndexType(mediaType));
  return document ? `${hexOf(digest)}.manifest.json` : hexOf(digest);
}

function versionOf(dir: string): string {
  try {
    return readDocument(join(dir, "version"), "version", 1 << 10).toString("latin1");
  } catch (error) {
    if (error instanceof Failure) return "";
    throw error;
  }
}
