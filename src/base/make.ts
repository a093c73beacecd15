import { Site } from "../debian/data/site.ts";
import { DebContents } from "../debian/deb-contents.ts";
import type { EarlyThreads } from "../debian/deb-readers.ts";
import type { Archive, LockEntry } from "../debian/face.ts";
import { type Assembled, assemble } from "../image/assemble.ts";
import type { Layer } from "../image/layer.ts";
import { seal } from "../image/seal.ts";
import type { HistoryEntry, ImageConfig } from "../oci/config.ts";
import type { Platform } from "../oci/platform.ts";
import type { Shelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { compose, prepare } from "./compose.ts";
import { oneLayerEach } from "./layers.ts";
import type { Pinned } from "./pinned.ts";
import { readStages } from "./read-stages.ts";
import type { Recipe, Stage } from "./recipe.ts";

export interface MakeTools {
  readonly store: ContentStore;
  readonly shelf: Shelf;
  readonly archive: Archive;
  readonly task: Task;
  /** Threads for packages that were started while these were being chosen. */
  readonly early?: EarlyThreads | undefined;
}

/**
 * Makes the image of a recipe from pinned packages: they are fetched, checked and read side by side, each stage is sealed as a layer,
 * and the documents are put into the store, where nothing refers to them yet. The bytes depend on recipe, packages and platform alone.
 * Throws what its parts throw; then nothing of it can be seen.
 */
export async function makeImage(recipe: Recipe, pinned: Pinned, platform: Platform, tools: MakeTools): Promise<Assembled> {
  const { store, shelf, task } = tools;
  using contents = new DebContents(() => store.temporary());
  const open = contents.opener(shelf.open);
  const site = new Site(open);
  prepare(site, recipe, pinned.architecture);
  const layers: Layer[] = [];
  const history: HistoryEntry[] = [];
  const warnings: string[] = [];
  await using reads = readStages(pinned.stages, contents, tools);
  for (const [index, stage] of oneLayerEach(recipe).entries()) {
    const entries = pinned.stages[index] ?? [];
    const debs = await reads.stage(index);
    const composed = await compose(site, stage, debs, pinned.architecture);
    warnings.push(...composed.warnings);
    if (composed.draft.length === 0) continue;
    const sealed = await seal(composed.draft, open, store.writer(), task);
    await shelf.add(sealed.layer, sealed.draft);
    layers.push(sealed.layer);
    const created = timeOf(site.time());
    history.push({ created, created_by: createdBy(stage, entries) });
  }
  for (const warning of warnings) task.emit({ type: "note", text: `a script that is not run may matter: ${warning}` });
  const assembled = assemble(layers, configOf(recipe, platform, layers, history, timeOf(site.time())), recipe.annotations ?? {});
  await store.putMany([assembled.configBytes, assembled.manifestBytes]);
  return assembled;
}

/** RFC 3339, whole seconds. */
function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

function createdBy(stage: Stage, entries: readonly LockEntry[]): string {
  const names = entries.map(({ name, version }) => `${name}=${version}`);
  const shown = names.slice(0, 12).join(" ");
  return `nought base: ${stage.title}${names.length === 0 ? "" : ` (${shown}${names.length > 12 ? ` and ${names.length - 12} more` : ""})`}`;
}

function configOf(
  recipe: Recipe,
  platform: Platform,
  layers: readonly Layer[],
  history: readonly HistoryEntry[],
  created: string,
): ImageConfig {
  const { user, env = {}, entrypoint, cmd, workdir, labels, ports, stopSignal } = recipe.config;
  return {
    created,
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: {
      ...(user === undefined ? {} : { User: user }),
      ...(ports === undefined ? {} : { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      ...(cmd === undefined ? {} : { Cmd: cmd }),
      WorkingDir: workdir ?? "/",
      ...(labels === undefined ? {} : { Labels: labels }),
      ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history,
  };
}
