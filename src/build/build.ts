import type { Program } from "../dockerfile/command.ts";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { toProgram } from "../dockerfile/program.ts";
import { type Assembled, assemble } from "../image/assemble.ts";
import { Failure, Failures } from "../kit/error.ts";
import { hostPlatform } from "../oci/platform.ts";
import { familiarName, withDefaultTag } from "../oci/reference.ts";
import { openShelf, type Shelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { advise } from "./advice.ts";
import type { Built } from "./built.ts";
import { finalConfig } from "./final-config.ts";
import type { BuildGraph } from "./graph.ts";
import { findImages } from "./images.ts";
import { type Inlet, openInlet } from "./inlet.ts";
import { deliver } from "./output.ts";
import { type Platforms, plan } from "./plan/plan.ts";
import type { RemoteImages } from "./remote.ts";
import type { BuildRequest } from "./request.ts";
import { check } from "./review.ts";
import type { RunTools } from "./run/tools.ts";
import { solve } from "./solve.ts";
import type { StepKeys, Workshop } from "./workshop.ts";

/** What a build came to. */
export interface BuildResult {
  /** The image, unless every output was a file tree. */
  readonly assembled: Assembled;
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
export type BuildHooks = Pick<Workshop, "lookInto"> & { readonly remote?: RemoteImages };

/**
 * A whole build: Dockerfile → syntax → program → graph → layers → image → outputs. Throws what its parts throw; nothing is named
 * and no output file stands under its final name unless everything succeeded.
 */
export async function build(
  request: BuildRequest,
  store: ContentStore,
  task: Task,
  { remote, ...hooks }: BuildHooks = {},
): Promise<BuildResult> {
  const opened = await open(request, async () => store, task);
  const { inlet, program, platforms } = opened;
  try {
    const graph = await plan(program, request, platforms, findImages(store, task, { remote, pull: request.pull }));
    check(program, request, platforms, inlet, graph, task);
    const shelf = openShelf(store, task);
    let performed = false;
    const watched: Task = {
      ...task,
      emit(news) {
        if (news.type === "step" && news.state === "started") performed = true;
        task.emit(news);
      },
    };
    const built = await solve(
      graph,
      { ...tools(store, shelf, request, inlet, watched), ...hooks },
      (input) => inlet.open(input),
      program.syntax.lines,
    );
    if (task.signal.aborted) throw new Failure("INTERRUPTED", "the build was interrupted");
    const stage = graph.stages.get(graph.target);
    if (!stage) throw new Error("internal: the target was not planned");
    const assembled = assemble(built.layers, finalConfig(stage, built, request), request.annotations);
    if (performed && stage.config.User) advise(stage.config, await built.tree(), task);
    await inlet.save();
    await deliver(request, assembled, built, { store, shelf, task, remote });
    await store.flush();
    return { assembled, built, graph, names: request.names.map((name) => familiarName(withDefaultTag(name))) };
  } finally {
    await inlet[Symbol.asyncDispose]();
  }
}

/** Performs the steps of a graph without assembling an image. */
export async function steps(
  graph: BuildGraph,
  request: BuildRequest,
  inlet: Inlet,
  lines: readonly string[],
  store: ContentStore,
  task: Task,
  tellKeys: (keys: StepKeys) => void,
): Promise<Built> {
  const shelf = openShelf(store, task);
  return solve(graph, { ...tools(store, shelf, request, inlet, task), tellKeys }, (input) => inlet.open(input), lines);
}

/** What the steps of a request work with, whatever the platform. */
export function tools(store: ContentStore, shelf: Shelf, request: BuildRequest, inlet: Inlet, task: Task): Omit<Workshop, "open"> {
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
