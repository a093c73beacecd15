import { join } from "node:path";
import { EarlyThreads } from "../debian/deb-readers.ts";
import type { Archive, ArchiveOptions } from "../debian/face.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { formatPlatform, hostPlatform, normalizePlatform, type Platform } from "../oci/platform.ts";
import { DEFAULT_REGISTRY, familiarName, type Reference } from "../oci/reference.ts";
import { openShelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import { nameImage } from "../store/name-image.ts";
import type { Task } from "../task/task.ts";
import { DEFAULT_SUITE, defaultSuite } from "./default-suite.ts";
import { EMBEDDED, embeddedRecipe, readTag } from "./embedded-recipes.ts";
import { makeImage } from "./make.ts";
import { pin } from "./pinned.ts";
import { forSuite, RECIPE_VERSION, type Recipe } from "./recipe.ts";
import { recipeWithPackages } from "./with-packages.ts";

/** The annotation by which an image that nought made itself is told from one that a person gave the same name. */
export const MADE_BY = "io.nought.base";

/** The name after `nought/`, for a reference in the reserved namespace. */
export function embeddedName(reference: Reference): string | undefined {
  if (reference.registry !== DEFAULT_REGISTRY || !reference.repository.startsWith("nought/") || reference.digest !== undefined)
    return undefined;
  const name = reference.repository.slice("nought/".length);
  return Object.hasOwn(EMBEDDED, name) ? name : undefined;
}

/** What says how the archive is opened: flags and configuration, without suite and folder. */
export type ArchiveChoice = Omit<ArchiveOptions, "suite" | "cacheDir"> & { readonly suite?: string };

/** Images under `nought/`, made from packages when they are asked for and not in the store. */
export interface EmbeddedImages {
  /**
   * Makes an embedded image and gives it its name in the store. Undefined for a name that is none of them. Throws NOT_FOUND for a tag
   * that does not exist, and what makeImage throws.
   */
  find(reference: Reference, platform: Platform, task: Task): Promise<Descriptor | undefined>;
}

/** The embedded images of a store. Nothing is read or fetched before one is asked for. */
export function embeddedImages(store: ContentStore, choice: ArchiveChoice = {}): EmbeddedImages {
  return {
    async find(reference, platform, task) {
      const name = embeddedName(reference);
      const combined = recipeWithPackages(reference);
      if (name === undefined && combined === undefined) return undefined;
      const shown = familiarName(reference);
      const tag = readTag(reference.tag ?? "latest");
      const recipe = tag && (combined ?? embeddedRecipe(name as string, tag));
      if (tag === undefined || recipe === undefined)
        throw new Failure("NOT_FOUND", `${shown}: there is no such embedded image`, {
          hint: "Tags are latest or a suite, alone or followed by -debug and -nonroot.",
        });
      const there = await store.resolve(reference, task);
      if (there && !(await isOwn(store, there, platform))) return there;
      const suite = tag.suite ?? choice.suite ?? suiteFor(recipe, choice, task);
      return makeNamed(forSuite(recipe, suite), reference, suite, platform, store, choice, task);
    },
  };
}

/** Pieces without packages are the same everywhere: for them nothing is asked. */
function suiteFor(recipe: Recipe, choice: ArchiveChoice, task: Task): string {
  const bare = recipe.stages.every(({ packages, essential, priorities = [] }) => packages.length + priorities.length === 0 && !essential);
  return bare ? DEFAULT_SUITE : defaultSuite(choice, (text) => task.emit({ type: "note", text }));
}

async function makeNamed(
  recipe: Recipe,
  reference: Reference,
  suite: string,
  platform: Platform,
  store: ContentStore,
  choice: ArchiveChoice,
  task: Task,
): Promise<Descriptor> {
  const wanted = normalizePlatform(platform);
  const foreign = formatPlatform(wanted) !== formatPlatform(hostPlatform());
  const key = digestOf(`embedded ${familiarName(reference)} ${suite} ${formatPlatform(wanted)} ${RECIPE_VERSION}`);
  const before = foreign ? await madeBefore(store, key) : undefined;
  if (before) return before;
  let opened: Archive | undefined;
  const archive = await openLazily(async () => (opened ??= await openArchiveOf(suite, store, choice, task)));
  try {
    const annotations = { ...recipe.annotations, [MADE_BY]: `${familiarName(reference)} ${suite} ${RECIPE_VERSION}` };
    const last = recipe.apt ? (await import("./apt-sources.ts")).aptSources({ ...choice, suite, cacheDir: "" }, task) : undefined;
    const whole = { ...recipe, annotations, stages: last ? [...recipe.stages, last] : recipe.stages };
    // Those of one stage are small pieces: they are read before a thread has started.
    await using early = whole.stages.length > 1 ? new EarlyThreads() : undefined;
    const pinned = await pin(whole, wanted, archive, task);
    const made = await makeImage(whole, pinned, wanted, { store, shelf: openShelf(store, task), archive, task, early });
    const root = made.image.descriptor;
    // One for another processor is used without a name, so that it does not stand where this machine's own should.
    if (foreign) {
      await store.keep(root);
      store.remember({ key, value: root });
    } else await nameImage(store, reference, root, task);
    await store.flush();
    return root;
  } finally {
    opened?.[Symbol.dispose]?.();
  }
}

/** An image for another processor that an earlier build made, if it is still there. */
async function madeBefore(store: ContentStore, key: Digest): Promise<Descriptor | undefined> {
  const root = store.recall(key)?.value as Descriptor | undefined;
  return root !== undefined && (await store.untagged()).some((one) => one.root.digest === root.digest) ? root : undefined;
}

/** An archive over the store's own cache of packages. */
export async function openArchiveOf(suite: string, store: ContentStore, choice: ArchiveChoice, task: Task): Promise<Archive> {
  const { openArchive } = await import("../debian/archive.ts");
  // Makes the store where there is none: a folder with packages in it alone would not be taken for one.
  await store.temporary();
  return openArchive({ ...choice, suite, cacheDir: join(store.dir, "debian") }, task);
}

/** An archive that is opened by the first call: pieces without packages need none. */
async function openLazily(open: () => Promise<Archive>): Promise<Archive> {
  return {
    packages: async (architecture, names, task) => (await open()).packages(architecture, names, task),
    resolve: async (request, task) => (await open()).resolve(request, task),
    fetchDeb: async (what, task) => (await open()).fetchDeb(what, task),
    async *fetchDebs(what, task) {
      yield* (await open()).fetchDebs(what, task);
    },
    [Symbol.dispose]() {},
  };
}

/** Whether an image of the store under an embedded name is one that nought made, or one that a person put there. */
async function isOwn(store: ContentStore, root: Descriptor, platform: Platform): Promise<boolean> {
  const image = await openImage(store, root, platform);
  return image.annotations?.[MADE_BY] !== undefined;
}
