import type { Program } from "../dockerfile/command.ts";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { toProgram } from "../dockerfile/program.ts";
import { type Assembled, assemble } from "../image/assemble.ts";
import { Failure, Failures } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { hostPlatform } from "../oci/platform.ts";
import { familiarName, withDefaultTag } from "../oci/reference.ts";
import { openShelf, type Shelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import { type OfferingStore, withOffers } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import { advise } from "./advice.ts";
import { baseOfTarget } from "./bases.ts";
import type { Built } from "./built.ts";
import type { BuildCaches, CachedBuild } from "./caches.ts";
import { finalConfig } from "./final-config.ts";
import type { BuildGraph } from "./graph.ts";
import { type FoundImages, findImages } from "./images.ts";
import { type Inlet, openInlet } from "./inlet.ts";
import { deliver, keepsLayers } from "./output.ts";
import { located } from "./plan/located.ts";
import { type Platforms, plan } from "./plan/plan.ts";
import type { RemoteImages } from "./remote.ts";
import type { BuildRequest } from "./request.ts";
import { check } from "./review.ts";
import type { RunTools } from "./run/tools.ts";
import { type OpenContext, solve } from "./solve.ts";
import type { Fetched, StepKeys, Workshop } from "./workshop.ts";

/** What a build came to. */
export interface BuildResult {
  /** The image, unless every output was a file tree. */
  readonly assembled: Assembled;
  /** What its names stand for: its manifest, or the index around it that docker's attestations need. */
  readonly root: Descriptor;
  /** What a registry has it by, where it was pushed: its layers are packed then. */
  readonly pushed: Descriptor | undefined;
  readonly built: Built;
  readonly graph: BuildGraph;
  /** Names that now point to it. */
  readonly names: readonly string[];
}

/** A Dockerfile read and understood, before anything is looked up. */
export interface Opened {
  readonly inlet: Inlet;
  readonly program: Program;
  readonly platforms: Platforms;
}

/**
 * Reads the Dockerfile of a request and everything in it that can be said without images. Throws SYNTAX (all of them), NOT_FOUND,
 * CONTEXT.
 */
export async function open(request: BuildRequest, store: () => Promise<ContentStore>, task: Task): Promise<Opened> {
  const inlet = await openInlet(request, store, task);
  const told = { type: "step", id: "internal/dockerfile", label: `[internal] load build definition from ${inlet.name}` } as const;
  task.emit({ ...told, state: "started" });
  const syntax = parseDockerfile(inlet.dockerfile, inlet.name);
  const program = toProgram(syntax);
  const [first, ...rest] = [...new Set([...syntax.errors, ...program.errors])];
  if (first) {
    await inlet[Symbol.asyncDispose]();
    throw rest.length === 0 ? first : new Failures([first, ...rest]);
  }
  for (const warning of syntax.warnings)
    if (warning.rule === undefined) task.emit({ type: "note", text: `line ${warning.line}: ${warning.message}` });
  task.emit({ ...told, state: "done" });
  const build = hostPlatform();
  return { inlet, program, platforms: { build, target: request.platform ?? build } };
}

/** What whoever starts a build hands down to it. */
export type BuildHooks = Pick<Workshop, "lookInto"> & { readonly remote?: RemoteImages; readonly caches?: BuildCaches | undefined };

/**
 * A whole build: Dockerfile → syntax → program → graph → layers → image → outputs. Throws what its parts throw; nothing is named
 * and no output file stands under its final name unless everything succeeded.
 */
export async function build(
  request: BuildRequest,
  local: ContentStore,
  task: Task,
  { remote, caches, ...hooks }: BuildHooks = {},
): Promise<BuildResult> {
  return onSite(request, local, task, remote, async (site) => {
    const { inlet, program, platforms, store, images, within, stop } = site;
    const graph = await plan(program, request, platforms, images);
    check(program, request, platforms, inlet, graph, task);
    const cached = await beginCaches(caches, site);
    const shelf = openShelf(store, within);
    let performed = false;
    const watched: Task = {
      ...within,
      emit(news) {
        if (news.type === "step" && news.state === "started") performed = true;
        task.emit(news);
      },
    };
    const fetched: Fetched[] = [];
    const shop = {
      ...tools(store, shelf, request, inlet, watched),
      ...hooks,
      ...cached?.memory,
      saw: (what: Fetched) => void fetched.push(what),
    };
    const built = await solveWith(graph, request, shop, (input) => inlet.open(input), program.syntax.lines, stop);
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "the build was interrupted");
    const stage = graph.stages.get(graph.target);
    if (!stage) throw new Error("internal: the target was not planned");
    const config = finalConfig(stage, built, request);
    const assembled = assemble(built.layers, cached?.inlined(config, built.layers) ?? config, request.annotations);
    // Advice is not worth fetching a base for.
    const atHand = built.layers.every(({ blob }) => store.sizeOf(blob.digest) !== undefined);
    if (performed && stage.config.User && atHand) advise(stage.config, await built.tree(), task);
    await inlet.save();
    const facts = {
      platform: assembled.image.config,
      buildPlatform: platforms.build,
      graph,
      assembled,
      inlet,
      fetched,
      roots: images.roots,
      shelf,
    };
    const attest = request.attest && (await (await import("./attest.ts")).attestOf(request, [facts]));
    const pushed = await deliver(request, assembled, built, { store, shelf, task, remote, attest });
    await cached?.finish([built.layers]);
    await store.flush();
    const { descriptor } = assembled.image;
    const { root = descriptor } = attest?.([{ platform: assembled.image.config, root: descriptor }], undefined) ?? {};
    return { assembled, root, pushed, built, graph, names: request.names.map((name) => familiarName(withDefaultTag(name))) };
  });
}

/** Where a build happens, whatever the platform: a store that fetches what is read, bases by their names, and how all of it is stopped. */
export interface Site extends Opened {
  readonly store: OfferingStore;
  readonly images: FoundImages;
  /** Stops when the build is interrupted, or when `stop` says that a part of it failed. */
  readonly within: Task;
  readonly stop: AbortController;
}

/**
 * Opens what a build works on, and closes it after, however that ended. Images of registries of which all came are named also after a
 * failure, and what was done is recorded: the next try need not do it again. Throws as open does, and what `work` throws.
 */
export async function onSite<T>(
  request: BuildRequest,
  local: ContentStore,
  task: Task,
  remote: RemoteImages | undefined,
  work: (site: Site) => Promise<T>,
): Promise<T> {
  const opened = await open(request, async () => local, task);
  const stop = new AbortController();
  const within: Task = { ...task, signal: AbortSignal.any([task.signal, stop.signal]) };
  const store = withOffers(local, within);
  const images = findImages(store, within, { remote, pull: request.pull });
  try {
    return await work({ ...opened, store, images, within, stop });
  } catch (error) {
    images.distrust(error);
    throw error;
  } finally {
    await settle(images, task);
    await store.flush().catch(() => {});
    await opened.inlet[Symbol.asyncDispose]();
  }
}

/** Opens the caches of a build for as long as its inlet is open. */
export async function beginCaches(caches: BuildCaches | undefined, { inlet, store, within }: Site): Promise<CachedBuild | undefined> {
  const cached = await caches?.begin(store, within);
  if (cached) inlet.later(() => cached.close());
  return cached;
}

async function settle(images: FoundImages, task: Task): Promise<void> {
  try {
    if (!task.signal.aborted) await images.settle();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    task.emit({ type: "note", text: error.message });
  }
}

/**
 * Solves a graph. Where the outputs keep the layers of the image, those of its base come meanwhile: what fails first, a step or a layer
 * on its way, stops everything that listens to `stop`. Throws what solve throws, and what bringing throws.
 */
export async function solveWith(
  graph: BuildGraph,
  request: BuildRequest,
  shop: Omit<Workshop, "open">,
  context: OpenContext,
  lines: readonly string[],
  stop: AbortController,
): Promise<Built> {
  const { store, task } = shop;
  const bring = async (layers: Built["layers"]) => {
    if (keepsLayers(request))
      await store.bring(
        layers.map((layer) => layer.blob),
        task,
      );
  };
  let lost: unknown;
  const [from, base] = baseOfTarget(graph);
  const coming = bring(base).catch((error: unknown) => {
    if (!stop.signal.aborted) lost = from ? located(error, from.span, lines) : error;
    stop.abort();
  });
  try {
    const foreseen = shop.promises && (await (await import("./foresee.ts")).foresee(graph, shop, context, lines));
    const built = foreseen ?? (await solve(graph, shop, context, lines, stop));
    await coming;
    if (lost !== undefined) throw lost;
    await bring(built.layers);
    return built;
  } catch (error) {
    stop.abort();
    await coming;
    throw lost ?? error;
  }
}

/** Performs the steps of a graph without assembling an image. */
export async function steps(
  graph: BuildGraph,
  request: BuildRequest,
  inlet: Inlet,
  lines: readonly string[],
  store: OfferingStore,
  task: Task,
  tellKeys: (keys: StepKeys) => void,
): Promise<Built> {
  const shelf = openShelf(store, task);
  return solve(graph, { ...tools(store, shelf, request, inlet, task), tellKeys }, (input) => inlet.open(input), lines);
}

/** What the steps of a request work with, whatever the platform. */
export function tools(store: OfferingStore, shelf: Shelf, request: BuildRequest, inlet: Inlet, task: Task): Omit<Workshop, "open"> {
  return {
    store,
    shelf,
    task,
    epoch: request.sourceDateEpoch,
    allow: new Set(request.allow ?? []),
    run: toolsOfRun(request, inlet, task),
    recall: (key) => store.recall(key),
    remember: (record) => store.remember(record),
    tmp: () => inlet.tmp(),
    later: (close) => inlet.later(close),
  };
}

/** What RUN needs; loaded when the first one is met. */
function toolsOfRun(request: BuildRequest, inlet: Inlet, task: Task): () => Promise<RunTools> {
  let made: Promise<RunTools> | undefined;
  return () => {
    made ??= (async () => {
      const { runTools } = await import("./run/tools.ts");
      const run = runTools(request, task);
      inlet.later(() => run.close());
      return run;
    })();
    return made;
  };
}
