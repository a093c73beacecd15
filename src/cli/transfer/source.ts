import { parseIndex } from "../../image/documents.ts";
import { chooseManifest } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { isIndexType } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import type { Platform } from "../../oci/platform.ts";
import { formatReference, type Reference } from "../../oci/reference.ts";
import type { Repository } from "../../registry/face.ts";
import type { Task } from "../../task/task.ts";
import { noSuchImage, readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import type { PlaceWord } from "./word.ts";

/** An image that can be read from where it is. */
export interface Source extends AsyncDisposable {
  readonly from: BytesReader;
  readonly root: Descriptor;
  /** Whether it is in the local store, where layers are plain: a registry gets them packed. */
  readonly stored: boolean;
  /** The index that `root` is the present part of, where the store has not all of it. */
  readonly whole?: Descriptor;
  /** The registry's name of it. */
  readonly name?: Reference;
  /** The registry's repository, where signatures of it are. */
  readonly place?: Repository;
  /** What refers to a manifest there; absent where a place has no room for that. */
  referrers?(subject: Digest): Promise<readonly Descriptor[]>;
}

/** Opens the image that a word names. Throws NOT_FOUND, MANIFEST, AUTH, NETWORK, STORAGE. */
export async function openSource(call: Invocation, word: PlaceWord, task: Task): Promise<Source> {
  switch (word.kind) {
    case "registry":
      return fromRegistry(call, word.name, task);
    case "layout":
      return fromLayout(word.path, word.ref);
    case "oci-archive":
      return fromArchive(call, word.path, word.ref, task);
    case "docker-archive":
      return fromDockerArchive(call, word.path, word.name, task);
    case "dir": {
      const { openImageDir } = await import("../../place/dir.ts");
      return { ...(await openImageDir(word.path)), stored: false, async [Symbol.asyncDispose]() {} };
    }
    case "store":
      return fromStore(call, word.text, task);
  }
}

/** The root itself, or of an index the manifest for a platform. Throws NOT_FOUND with what there is. */
export async function choose({ from, root }: Source, platform: Platform | undefined): Promise<Descriptor> {
  if (platform === undefined || !isIndexType(root.mediaType)) return root;
  const { readWhole } = await import("../../place/documents.ts");
  const index = parseIndex(await readWhole(from, root), root.digest, root.mediaType);
  const { mediaType, digest, size } = chooseManifest(index.manifests, platform, root);
  return choose({ from, root: { mediaType, digest, size } } as Source, platform);
}

async function fromRegistry(call: Invocation, name: Reference, task: Task): Promise<Source> {
  const [{ openRepository }, { surroundings }] = await Promise.all([
    import("../../registry/repository.ts"),
    import("../../registry/surroundings.ts"),
  ]);
  const place = await openRepository(name, { ...surroundings(call.env, task), access: "pull" }, task);
  try {
    const root = await place.resolve(name, task);
    if (!root) throw new Failure("NOT_FOUND", `manifest for ${formatReference(name)} not found: manifest unknown`);
    const referrers = (subject: Digest) => place.referrers(subject);
    return { from: place, root, stored: false, name, place, referrers, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

async function fromLayout(path: string, ref: string | undefined): Promise<Source> {
  const { openLayout } = await import("../../place/layout.ts");
  const layout = await openLayout(path);
  const root = await pick((await layout.index()).manifests, ref, path);
  const { manifests } = await layout.index();
  const referrers = async (subject: Digest) => (await referrersAmong(layout, manifests)).referrers(subject);
  return { from: layout, root, stored: false, referrers, async [Symbol.asyncDispose]() {} };
}

async function fromArchive(call: Invocation, path: string, ref: string | undefined, task: Task): Promise<Source> {
  const [{ openTar }, { blobsIn }, { checkVersion }] = await Promise.all([
    import("../../place/tar-file.ts"),
    import("../../place/load.ts"),
    import("../../place/layout.ts"),
  ]);
  const store = await call.store();
  const tar = await openTar({ path }, () => store.temporary(), task);
  try {
    const [index, version] = [tar.file("index.json"), tar.file("oci-layout")];
    if (!index || !version) throw new Failure("MANIFEST", `${printable(path)} is no OCI archive: it has no oci-layout and index.json`);
    checkVersion(await tar.read(version, 1 << 12), path);
    const { manifests } = parseIndex(await tar.read(index, LIMITS.manifestBytes), `${printable(path)}: index.json`);
    const root = await pick(manifests, ref, path);
    const from = blobsIn(tar);
    const referrers = async (subject: Digest) => (await referrersAmong(from, manifests)).referrers(subject);
    return { from, root, stored: false, referrers, [Symbol.asyncDispose]: async () => tar[Symbol.dispose]() };
  } catch (error) {
    tar[Symbol.dispose]();
    throw error;
  }
}

/** A docker archive has no manifest: its image is taken into the store, without a name, and read from there. */
async function fromDockerArchive(call: Invocation, path: string, name: Reference | undefined, task: Task): Promise<Source> {
  const [{ openTar }, { readDockerImages }, { takeDockerImage }] = await Promise.all([
    import("../../place/tar-file.ts"),
    import("../../place/docker-manifest.ts"),
    import("../../place/take-image.ts"),
  ]);
  const store = await call.store();
  using tar = await openTar({ path }, () => store.temporary(), task);
  const images = await readDockerImages(tar);
  const wanted = name && formatReference(name);
  const fitting = wanted === undefined ? images : images.filter((one) => one.names.map(formatReference).includes(wanted));
  const [image] = fitting;
  if (!image || fitting.length > 1) {
    const names = images.flatMap((one) => one.names.map(formatReference));
    throw new Failure(
      "NOT_FOUND",
      `${printable(path)}: ${image ? `it holds ${fitting.length} images` : `no image ${printable(wanted ?? "")}`}`,
      {
        hint: `Choose one, docker-archive:PATH:NAME, of: ${names.map(printable).join(", ")}.`,
      },
    );
  }
  const { descriptor } = await takeDockerImage(store, tar, image, task);
  await store.flush();
  return { from: store, root: descriptor, stored: true, async [Symbol.asyncDispose]() {} };
}

async function fromStore(call: Invocation, text: string, task: Task): Promise<Source> {
  const store = await call.store();
  const found = (await readCatalog(store)).find(text);
  if (!found) throw noSuchImage(text);
  await store.hold(found.image.root);
  const { presentPart } = await import("../registry/push.ts");
  const whole = found.image.root;
  const root = await presentPart(store, whole, { signal: task.signal, emit: () => {} });
  return {
    from: store,
    root,
    stored: true,
    ...(root === whole ? {} : { whole }),
    referrers: (subject) => store.referrers(subject),
    async [Symbol.asyncDispose]() {},
  };
}

/** The source of referrers that a list of documents is. Every entry is read: lists of layouts are short. */
async function referrersAmong(from: BytesReader, entries: readonly Descriptor[]) {
  return (await import("../../attest/travel.ts")).referrersAmong(from, entries);
}

/** The entry of an index.json that a person means: by its own name, else the only one. */
async function pick(entries: readonly Descriptor[], ref: string | undefined, path: string): Promise<Descriptor> {
  const { NAME, REF } = await import("../../place/names.ts");
  const names = (one: Descriptor) => [one.annotations?.[REF], one.annotations?.[NAME]];
  // What stands beside an image to say something of it is none.
  const images = entries.filter((one) => one.artifactType === undefined);
  const fitting = ref === undefined ? (images.length > 0 ? images : entries) : entries.filter((one) => names(one).includes(ref));
  const [entry] = fitting;
  if (!entry || new Set(fitting.map((one) => one.digest)).size > 1) {
    const shown = entries.map((one) => printable(one.annotations?.[REF] ?? one.digest)).join(", ");
    throw new Failure("NOT_FOUND", `${printable(path)}: ${entry ? "it holds several images" : `no image ${printable(ref ?? "")}`}`, {
      hint: `It lists: ${shown || "nothing"}.`,
    });
  }
  const { annotations: _, ...root } = entry;
  return root;
}
