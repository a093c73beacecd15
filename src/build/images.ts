import type { Image } from "../image/layer.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, parseDigest } from "../oci/digest.ts";
import { isForeignLayer } from "../oci/media-type.ts";
import { formatPlatform, matchesPlatform, type Platform } from "../oci/platform.ts";
import { DEFAULT_REGISTRY, familiarName, formatReference, parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import { type Bases, createBases } from "./bases.ts";
import type { FindImage } from "./plan/plan.ts";
import type { RemoteImages } from "./remote.ts";
import type { NamedContext } from "./request.ts";

/** How bases are looked for beyond the store. */
export interface Finding {
  readonly remote?: RemoteImages | undefined;
  /** Ask the registry even where the store has the image (`--pull`). */
  readonly pull?: boolean;
}

/** Finds images, and names in the end those of registries of which all layers came. */
export interface FoundImages extends FindImage, Pick<Bases, "settle" | "distrust"> {
  /** What names stood for, an index often, by `NAME@DIGEST` of the manifest that was chosen of it. */
  readonly roots: ReadonlyMap<string, Digest>;
}

/**
 * Finds base images in the local store, in OCI layouts named by `--build-context`, and, where it is given, in registries: of what is
 * there only documents are read, and its layers are offered to the store.
 */
export function findImages(store: OfferingStore, task: Task, how: Finding = {}): FoundImages {
  const bases = createBases(store, task);
  const asked = new Map<string, Promise<Image | undefined>>();
  const roots = new Map<string, Digest>();
  const rooted = (name: Reference, image: Image, root: Descriptor | undefined): Image => {
    if (root) roots.set(`${formatReference(name)}@${image.descriptor.digest}`, root.digest);
    return image;
  };
  /** From the registry, once for each name and platform of a build. */
  const found = (name: Reference, platform: Platform): Promise<Image | undefined> => {
    const { remote } = how;
    if (remote === undefined) return Promise.resolve(undefined);
    const key = `${formatReference(name)} ${formatPlatform(platform)}`;
    const before = asked.get(key);
    if (before) return before;
    const id = `internal/${isReserved(name) ? "make" : "metadata"} ${key}`;
    const label = `[internal] ${isReserved(name) ? "make" : "load metadata for"} ${formatReference(name)}`;
    const looked = performed({ type: "step", id, label }, task, async (within) => {
      const image = await remote.find(name, platform, within).catch((error: unknown) => {
        throw unreachable(error, name, how.pull === true);
      });
      return image && rooted(name, bases.take(image, name, platform), image.root);
    });
    asked.set(key, looked);
    return looked;
  };
  const known = async (name: Reference, platform: Platform): Promise<Image | undefined> => {
    const root = await store.resolve(name, task);
    if (root === undefined) return undefined;
    try {
      const image = rooted(name, await openImage(store, root, platform), root);
      // Nought's own are made for each platform; a person's are taken as they are.
      const own = how.remote !== undefined && isReserved(name) && image.annotations?.[MADE_BY] !== undefined;
      if (own && !matchesPlatform(platform, image.config)) return undefined;
      // Its layers are in use from here on, whoever takes the name away.
      const whole = await holds(image);
      return whole || how.remote === undefined ? image : undefined;
    } catch (error) {
      // An index that was pulled for another platform lists more than there is; and somebody may prune beside.
      if (how.remote && error instanceof Failure && error.code === "NOT_FOUND") return undefined;
      throw error;
    }
  };
  const holds = async ({ layers }: Image): Promise<boolean> => {
    const there = await Promise.all(layers.map(({ blob }) => isForeignLayer(blob.mediaType) || store.has(blob.digest)));
    return there.every(Boolean);
  };
  return {
    settle: bases.settle,
    distrust: bases.distrust,
    roots,
    async image(name, platform, context) {
      if (context?.kind === "layout")
        return { image: await fromLayout(context, platform, store, task), name: `oci-layout://${context.path}` };
      const names = (context?.kind === "image" ? [context.name] : await meanings(name, how.remote)).map(withDefaultTag);
      for (const ask of how.pull && how.remote ? [false] : [true, false]) {
        for (const reference of names) {
          const image = await (ask ? known : found)(reference, platform);
          if (!image) continue;
          if (ask) tellOwner(image, reference, task);
          warnPlatform(image, platform, reference, task);
          return { image, name: formatReference(reference) };
        }
      }
      throw absent(names[0] as Reference, how.remote !== undefined);
    },
  };
}

async function meanings(name: string, remote: RemoteImages | undefined): Promise<readonly Reference[]> {
  const own = named(name);
  // A reserved name stands for itself, whatever short names mean on this machine: nothing is read to find that out.
  return remote === undefined || isReserved(own) ? [own] : remote.candidates(name);
}

/** Does something as a step of its own; transfers are told as parts of it. */
async function performed<T>(
  step: { readonly type: "step"; readonly id: string; readonly label: string },
  task: Task,
  work: (within: Task) => Promise<T>,
): Promise<T> {
  const emit: Task["emit"] = (news) => task.emit(news.type === "bytes" ? { ...news, id: step.id } : news);
  task.emit({ ...step, state: "started" });
  try {
    const result = await work({ signal: task.signal, emit });
    task.emit({ ...step, state: "done" });
    return result;
  } catch (error) {
    task.emit({ ...step, state: "failed", ...(error instanceof Failure ? { failure: error } : {}) });
    throw error;
  }
}

function named(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof Failure && error.code === "RESERVED") {
      throw new Failure("RESERVED", error.message, {
        hint: "`FROM scratch`, without a tag, starts from nothing; nothing can be copied from it.",
      });
    }
    throw error;
  }
}

/** A registry that could not be asked: what was wanted of it, and what there is to do without it. */
function unreachable(error: unknown, name: Reference, pull: boolean): unknown {
  if (!(error instanceof Failure) || error.code !== "NETWORK") return error;
  const shown = formatReference(name);
  const why = pull
    ? `${shown}: its registry could not be asked`
    : `${shown} is not in the local store, and its registry could not be asked`;
  const without = pull
    ? "Without --pull what the local store has is taken."
    : `Without the network: \`nought load\` an archive of it, name a mirror in registries.conf, or put something else in its place with --build-context ${contextName(name)}=docker-image://OTHER (or oci-layout://DIR).`;
  return new Failure("NETWORK", `${why}: ${error.message}`, {
    hint: error.hint === undefined ? without : `${error.hint} ${without}`,
    cause: error.cause ?? error,
  });
}

/** What a `--build-context` that stands for an image is called. */
function contextName(name: Reference): string {
  return familiarName(name).replace(/:latest$/, "");
}

function absent(reference: Reference, asked: boolean): Failure {
  const name = formatReference(reference);
  if (asked)
    return new Failure("NOT_FOUND", `${name}: not found: neither the local store nor the registry has it`, {
      hint: "Check the name and the tag.",
    });
  return new Failure("NOT_FOUND", `${name}: not found in the local store`, {
    hint:
      `Bring the image with \`nought pull\` or \`nought load\`, or name another source: ` +
      `--build-context ${contextName(reference)}=oci-layout://DIR`,
  });
}

/** An image that a person gave a reserved name is taken, and that is said: it is not the one that nought would make. */
function tellOwner(image: Image, reference: Reference, task: Task): void {
  if (!isReserved(reference) || image.annotations?.[MADE_BY]) return;
  task.emit({
    type: "note",
    text: `${formatReference(reference)} is taken from the store, where it was given that name: it is not nought's own`,
  });
}

/** Whether a name is among those that nought makes images for itself, without a registry. */
function isReserved({ registry, repository }: Reference): boolean {
  return registry === DEFAULT_REGISTRY && repository.startsWith("nought/");
}

/** What nought's own images under `nought/` are told by (base/embedded.ts). */
export const MADE_BY = "io.nought.base";

function warnPlatform(image: Image, wanted: Platform, reference: Reference, task: Task): void {
  const { os, architecture, variant } = image.config;
  const has = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (matchesPlatform(wanted, has)) return;
  task.emit({ type: "note", text: `image ${formatReference(reference)} is for ${formatPlatform(has)}, not for ${formatPlatform(wanted)}` });
}

/** An image of a folder on this machine: its layers are read there until the store needs them. */
async function fromLayout(
  context: NamedContext & { readonly kind: "layout" },
  platform: Platform,
  store: OfferingStore,
  task: Task,
): Promise<Image> {
  const { openLayout } = await import("../place/layout.ts");
  const layout = await openLayout(context.path);
  const found = await layout.find({
    ...(context.digest === undefined ? {} : { digest: parseDigest(context.digest) }),
    ...(context.tag === undefined ? {} : { tag: context.tag }),
  });
  const image = await openImage(layout, found, platform);
  // Nobody waits for a disk long enough to be told.
  const quiet: Task = { signal: task.signal, emit: (news) => (news.type === "bytes" ? undefined : task.emit(news)) };
  for (const { blob } of image.layers) store.offer(blob, layout, quiet);
  return image;
}
