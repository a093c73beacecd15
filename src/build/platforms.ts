import { type Assembled, assemble } from "../image/assemble.ts";
import { encodeIndex } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import { openShelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { type BuildHooks, beginCaches, onSite, type Site, solveWith, tools } from "./build.ts";
import type { Built } from "./built.ts";
import type { CachedBuild } from "./caches.ts";
import { finalConfig } from "./final-config.ts";
import type { BuildGraph } from "./graph.ts";
import type { OpenInput } from "./input.ts";
import { keyOf } from "./key.ts";
import type { OutputTools } from "./output.ts";
import { plan } from "./plan/plan.ts";
import { type BuiltIndex, deliverPlatforms, refuseOutputs } from "./platform-outputs.ts";
import type { BuildRequest } from "./request.ts";
import { check } from "./review.ts";
import type { OpenContext } from "./solve.ts";
import { createTurns } from "./turns.ts";
import type { Fetched, Workshop } from "./workshop.ts";

/** The image of one platform. */
export interface PlatformBuilt {
  readonly platform: Platform;
  readonly assembled: Assembled;
  readonly built: Built;
  readonly graph: BuildGraph;
  /** What ADD fetched. */
  readonly fetched: readonly Fetched[];
}

/**
 * Builds for several platforms side by side, and one index over the results in the order of `platforms`. Steps that several of them come to
 * (stages of `FROM --platform=$BUILDPLATFORM` before anything depends on the target) are performed once. Nothing is named or written
 * unless all succeed; the first failure stops the others. Throws as build does.
 */
export async function buildPlatforms(
  request: BuildRequest,
  platforms: readonly Platform[],
  local: ContentStore,
  task: Task,
  { remote, caches, ...hooks }: BuildHooks = {},
): Promise<BuiltIndex> {
  refuseOutputs(request);
  return onSite(request, local, task, remote, async (site) => {
    const { inlet, store, images, within, stop } = site;
    const shelf = openShelf(store, within);
    const cached = await beginCaches(caches, site);
    const shop = { ...tools(store, shelf, request, inlet, within), ...hooks, ...cached?.memory, turns: createTurns() };
    const context = once((input) => inlet.open(input));
    let first: unknown;
    const each = platforms.map(async (target, at) => {
      try {
        return await buildOne(site, request, target, at === 0, { ...shop, task: toldFor(target, within) }, context, cached);
      } catch (error) {
        first ??= error;
        stop.abort();
        throw error;
      }
    });
    const settled = await Promise.allSettled(each);
    if (first !== undefined) throw first;
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "the build was interrupted");
    const made = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await inlet.save();
    const facts = () => made.map((one) => ({ ...one, buildPlatform: site.platforms.build, inlet, roots: images.roots, shelf }));
    const attest = request.attest && (await (await import("./attest.ts")).attestOf(request, facts()));
    const into: OutputTools = { store, shelf, task, remote, attest };
    const delivered = await deliverPlatforms(request, made, into);
    await cached?.finish(made.map(({ built }) => built.layers));
    await store.flush();
    return delivered;
  });
}

async function buildOne(
  { program, inlet, platforms: { build }, images, stop }: Site,
  request: BuildRequest,
  target: Platform,
  isFirst: boolean,
  shop: Omit<Workshop, "open">,
  context: OpenContext,
  cached: CachedBuild | undefined,
): Promise<PlatformBuilt> {
  const graph = await plan(program, request, { build, target }, images);
  // The same findings need not be told for each.
  if (isFirst) check(program, request, { build, target }, inlet, graph, shop.task);
  const fetched: Fetched[] = [];
  const watching = { ...shop, saw: (what: Fetched) => void fetched.push(what) };
  const built = await solveWith(graph, request, watching, context, program.syntax.lines, stop);
  const stage = graph.stages.get(graph.target);
  if (!stage) throw new Error("internal: the target was not planned");
  const config = finalConfig(stage, built, request);
  const assembled = assemble(built.layers, cached?.inlined(config, built.layers) ?? config, request.annotations);
  return { platform: target, assembled, built, graph, fetched };
}

/** The index over images of several platforms, and its bytes. OCI image-spec, image-index.md. */
export function indexOver(images: readonly { readonly platform: Platform; readonly root: Descriptor }[]): {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
} {
  const bytes = encodeIndex({
    schemaVersion: 2,
    mediaType: MEDIA.index,
    manifests: images.map(({ platform, root: { mediaType, digest, size } }) => ({ mediaType, digest, size, platform })),
  });
  return { bytes, descriptor: { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length } };
}

/** Events of one platform's build: its steps are its own, and say so as buildx does (`[linux/arm64 builder 2/4] …`). */
function toldFor(platform: Platform, task: Task): Task {
  const name = formatPlatform(platform);
  const own = (id: string) => (id.startsWith("internal/") ? id : keyOf("platform/1", name, id));
  return {
    signal: task.signal,
    emit(news) {
      if (news.type === "step") task.emit({ ...news, id: own(news.id), label: news.label.replace(/^\[(?!internal)/, `[${name} `) });
      else if (news.type === "bytes" || news.type === "status" || news.type === "output") task.emit({ ...news, id: own(news.id) });
      else task.emit(news);
    },
  };
}

/** A context is opened once, whoever asks. */
function once(openContext: OpenContext): OpenContext {
  const known = new Map<string, Promise<OpenInput>>();
  return (input) => {
    const key = input.from === "context" ? "" : `=${input.name}`;
    const before = known.get(key) ?? openContext(input);
    known.set(key, before);
    return before;
  };
}
