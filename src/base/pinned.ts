import type { Architecture, Archive, LockEntry, PackageRecord, Resolution, ResolveRequest, Suite } from "../debian/face.ts";
import { Failure } from "../kit/error.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import type { Task } from "../task/task.ts";
import { divide } from "./layers.ts";
import type { Recipe, Stage } from "./recipe.ts";

/** The packages of each layer of a recipe (layers.ts, oneLayerEach), in the order in which they are unpacked. */
export interface Pinned {
  readonly architecture: Architecture;
  readonly stages: readonly (readonly LockEntry[])[];
  /** Of what they were chosen; empty where a lock said it. */
  readonly suites: readonly Suite[];
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  "linux/amd64": "amd64",
  "linux/arm64": "arm64",
  "linux/arm/v7": "armhf",
  "linux/386": "i386",
  "linux/ppc64le": "ppc64el",
  "linux/s390x": "s390x",
  "linux/riscv64": "riscv64",
};

/** Debian's name of a platform. Throws UNSUPPORTED for one that Debian does not have. */
export function architectureOf(platform: Platform): Architecture {
  const known = ARCHITECTURES[formatPlatform(platform)];
  if (known === undefined) throw new Failure("UNSUPPORTED", `there is no Debian for ${formatPlatform(platform)}`);
  return known;
}

/**
 * Chooses the packages of a recipe: stage after stage, so that what a stage has does not depend on those above it, and images that share
 * stages share layers. Throws what Archive.resolve throws, and PACKAGE where a stage would take another version than the one below.
 */
export async function pin(recipe: Recipe, platform: Platform, archive: Archive, task: Task): Promise<Pinned> {
  const architecture = architectureOf(platform);
  const stages: LockEntry[][] = [];
  const taken = new Map<string, LockEntry>();
  const assume = new Set<string>();
  let suites: readonly Suite[] = [];
  for (const stage of recipe.stages) {
    for (const name of stage.assume ?? []) assume.add(name);
    if (stage.packages.length > 0 || stage.essential || (stage.priorities?.length ?? 0) > 0) {
      const below = [...taken.values()].map(({ name, version }) => `${name}=${version}`);
      const asked = new Set(stage.packages.map((one) => one.replace(/[=:].*/, "")));
      const found = await resolveStage(
        {
          packages: stage.packages,
          architecture,
          // What is asked for is taken, even where an earlier stage only assumed it.
          provided: [...below, ...[...assume].filter((name) => !asked.has(name) && !taken.has(name))],
          ...(stage.recommends === undefined ? {} : { recommends: stage.recommends }),
          ...(stage.essential === undefined ? {} : { essential: stage.essential }),
          ...(stage.priorities === undefined ? {} : { priorities: stage.priorities }),
        },
        stage,
        archive,
        task,
      );
      suites = found.suites;
      const fresh = found.packages.filter(({ name }) => !taken.has(name));
      for (const record of fresh) taken.set(record.name, record);
      stages.push(...divide(fresh, stage.layers ?? 1).map((group) => group.map(entryOf)));
    } else stages.push(...Array.from({ length: stage.layers ?? 1 }, () => []));
  }
  return { architecture, stages, suites };
}

/** What goes wrong with a package that a recipe names is told with the line that names it. */
async function resolveStage(request: ResolveRequest, { places = {} }: Stage, archive: Archive, task: Task): Promise<Resolution> {
  try {
    return await archive.resolve(request, task);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "PACKAGE") throw error;
    const words = new Set(error.message.split(/[^a-z0-9+.-]+/));
    // Names can be words as well: the longest is the least likely to be one.
    const [named] = Object.keys(places)
      .filter((name) => words.has(name))
      .sort((a, b) => b.length - a.length);
    if (named === undefined) throw error;
    throw new Failure("PACKAGE", `${places[named]}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

function entryOf({ name, version, architecture, suite, path, size, sha256 }: PackageRecord): LockEntry {
  return { name, version, architecture, suite, path, size, sha256 };
}
