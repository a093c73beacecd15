import { closeSync, fstatSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, syncFile, writeFully } from "../kit/atomic.ts";
import { LIMITS } from "../kit/limit.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { readFully, readSmallFile } from "../kit/read-file.ts";
import { type Digest, digestFromHex, digestOf, hexOf } from "../oci/digest.ts";
import { descriptorOf, subjectOf } from "./descriptor.ts";
import { type Folder, readTag } from "./folder.ts";
import type { HeldManifest, Holdings, WritableHoldings } from "./holdings.ts";
import type { ManifestWord } from "./route.ts";

/** The repositories of a registry's folder; they can be changed unless it is served read-only. */
export function folderHoldings(folder: Folder, readOnly: boolean): Holdings {
  const holdings = readable(folder);
  return readOnly ? holdings : { ...holdings, write: writable(folder, holdings) };
}

function readable(folder: Folder): Holdings {
  const has = (repository: string, kind: "_blobs" | "_manifests", digest: Digest) =>
    folder.exists(folder.inside(repository, kind, hexOf(digest)));
  /** Manifests are blobs as well, as in docker's own registry. */
  const holds = (repository: string, digest: Digest) => has(repository, "_blobs", digest) || has(repository, "_manifests", digest);

  const openBlob: Holdings["openBlob"] = async (repository, digest) => {
    const fd = holds(repository, digest) ? folder.openBlob(digest) : undefined;
    return fd === undefined ? undefined : { fd, size: fstatSync(fd).size };
  };
  const manifest = (repository: string, word: ManifestWord): HeldManifest | undefined => {
    const digest = "digest" in word ? word.digest : readTag(folder, repository, word.tag);
    const mediaType = digest && readSmallFile(folder.inside(repository, "_manifests", hexOf(digest)), 256)?.toString("latin1");
    const fd = digest && mediaType ? folder.openBlob(digest) : undefined;
    if (digest === undefined || mediaType === undefined || fd === undefined) return undefined;
    try {
      const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, LIMITS.manifestBytes));
      readFully(fd, bytes, 0);
      // A damaged one is as good as none: a push heals it.
      return digestOf(bytes) === digest ? { mediaType, digest, bytes } : undefined;
    } finally {
      closeSync(fd);
    }
  };
  return {
    repositories: async () => folder.repositories(),
    async tags(repository) {
      if (!["_tags", "_blobs", "_manifests"].some((kind) => folder.exists(folder.inside(repository, kind)))) return undefined;
      return folder.list(folder.inside(repository, "_tags"));
    },
    manifest: async (repository, word) => manifest(repository, word),
    openBlob,
    blobSize: async (repository, digest) =>
      holds(repository, digest) ? statSync(folder.blobPath(digest), { throwIfNoEntry: false })?.size : undefined,
    referrers: async (repository, subject) =>
      folder.list(folder.inside(repository, "_referrers", hexOf(subject))).flatMap((hex) => {
        const held = manifest(repository, { digest: digestFromHex(hex) });
        return held ? [descriptorOf(held)] : [];
      }),
  };
}

function writable(folder: Folder, holdings: Holdings): WritableHoldings {
  const link = (repository: string, digest: Digest) => folder.write(folder.inside(repository, "_blobs", hexOf(digest)), "");
  const tagsOf = (repository: string, digest: Digest) =>
    folder.list(folder.inside(repository, "_tags")).filter((tag) => readTag(folder, repository, tag) === digest);
  const remove = (repository: string, held: HeldManifest) => {
    // The names first, so that none ever leads to nothing.
    for (const tag of tagsOf(repository, held.digest)) folder.remove(folder.inside(repository, "_tags", tag));
    const subject = subjectOf(held);
    if (subject) folder.remove(folder.inside(repository, "_referrers", hexOf(subject), hexOf(held.digest)));
    return folder.remove(folder.inside(repository, "_manifests", hexOf(held.digest)));
  };
  return {
    uploads: folder.uploads,
    async adopt(repository, file, digest) {
      await folder.adopt(file, digest);
      link(repository, digest);
    },
    async mount(repository, digest, from) {
      if ((await holdings.blobSize(from, digest)) === undefined) return false;
      link(repository, digest);
      return true;
    },
    async putManifest(repository, { mediaType, digest, bytes }, subject, tag) {
      const file = join(folder.uploads, `manifest-${uniqueToken()}`);
      const fd = createPrivate(file);
      try {
        writeFully(fd, bytes);
        await syncFile(fd);
        await folder.adopt(file, digest);
      } catch (error) {
        quietly(() => unlinkSync(file));
        throw error;
      } finally {
        closeSync(fd);
      }
      if (subject) folder.write(folder.inside(repository, "_referrers", hexOf(subject), hexOf(digest)), "");
      folder.write(folder.inside(repository, "_manifests", hexOf(digest)), mediaType);
      if (tag !== undefined) folder.write(folder.inside(repository, "_tags", tag), digest);
    },
    async deleteManifest(repository: string, word: ManifestWord) {
      if ("tag" in word) return folder.remove(folder.inside(repository, "_tags", word.tag));
      const held = await holdings.manifest(repository, word);
      return held !== undefined && remove(repository, held);
    },
    deleteBlob: async (repository, digest) => folder.remove(folder.inside(repository, "_blobs", hexOf(digest))),
  };
}
