import { existsSync, fstatSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf, hexOf } from "../oci/digest.ts";
import { parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import { openRegular, readDocument } from "../place/file-bytes.ts";
import { openLayout } from "../place/layout.ts";
import { nameOf, REF } from "../place/names.ts";
import type { ContentStore } from "../store/face.ts";
import { inspectStore, layoutOf } from "../store/layout.ts";
import { openStore } from "../store/store.ts";
import { MARK, openFolder } from "./folder.ts";
import { folderHoldings } from "./folder-holdings.ts";
import type { Holdings } from "./holdings.ts";
import { isRepository, isTag } from "./route.ts";
import { viewHoldings } from "./view.ts";

/** Something to serve, and how to let go of it. */
export interface Opened extends Disposable {
  readonly holdings: Holdings;
  readonly kind: "folder" | "layout" | "store";
}

/**
 * What a folder has to serve: an OCI image layout is shown as it is, any other folder is (or becomes, if empty) a registry of its own.
 * Throws STORAGE, MANIFEST.
 */
export async function openPath(path: string, readOnly: boolean): Promise<Opened> {
  const dir = resolve(path);
  if (existsSync(join(dir, "oci-layout")) && !existsSync(join(dir, MARK))) return viewLayout(dir);
  if (isStore(dir)) {
    const store = await openStore(dir);
    return { ...(await openStoreView(store)), [Symbol.dispose]: () => void store[Symbol.asyncDispose]() };
  }
  const folder = await openFolder(path, readOnly);
  return { kind: "folder", holdings: folderHoldings(folder, readOnly), [Symbol.dispose]: () => folder.release() };
}

/** The images of the local store, read-only. Names are read anew for each request. */
export async function openStoreView(store: ContentStore): Promise<Opened> {
  const holdings = viewHoldings({
    names: () => store.names(),
    async others() {
      const unnamed = (await store.untagged()).map((one) => one.root);
      return [...unnamed, ...(await store.referrers())];
    },
    document: (what) => quietly(() => store.readDocument(what)),
    openBlob(digest) {
      const fd = quietly(() => store.openFile(digest));
      return fd === undefined ? undefined : { fd, size: fstatSync(fd).size };
    },
  });
  return { kind: "store", holdings, [Symbol.dispose]() {} };
}

async function viewLayout(dir: string): Promise<Opened> {
  const layout = await openLayout(dir);
  const blobs = join(dir, "blobs", "sha256");
  const holdings = viewHoldings({
    async names() {
      const { manifests } = await layout.index();
      // What only refers to an image, and has no name of its own, is found as its referrer.
      return manifests.flatMap((root) => {
        if (root.artifactType !== undefined && root.annotations?.[REF] === undefined) return [];
        const name = quietly(() => nameIn(root, dir));
        return name ? [{ name, root }] : [];
      });
    },
    others: async () => (await layout.index()).manifests,
    document(what) {
      const bytes = quietly(() => readDocument(join(blobs, hexOf(what.digest)), what.digest, LIMITS.manifestBytes));
      return bytes && digestOf(bytes) === what.digest ? bytes : undefined;
    },
    openBlob: (digest) => quietly(() => openRegular(join(blobs, hexOf(digest)), digest)),
  });
  return { kind: "layout", holdings, [Symbol.dispose]() {} };
}

/** Whether a nought store lives in a folder (its mark: store/layout.ts). Throws STORAGE for one that is not to be trusted. */
function isStore(dir: string): boolean {
  return existsSync(join(dir, "version")) && existsSync(join(dir, "blobs")) && inspectStore(layoutOf(dir)) === "present";
}

/** The name of a layout's entry; one that has only a tag is in a repository called as the folder. */
function nameIn(root: Descriptor, dir: string): Reference | undefined {
  const name = nameOf(root);
  if (name) return name;
  const folder = basename(dir).toLowerCase();
  const repository = isRepository(folder) ? folder : "image";
  const tag = root.annotations?.[REF] ?? "latest";
  return isTag(tag) ? withDefaultTag(parseReference(`${repository}:${tag}`)) : undefined;
}

/** What is damaged is not shown. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
