import type { Account, Group } from "../debian/data/accounts.ts";

/** A file that a recipe adds: bytes, a link, or a directory. */
export interface RecipeFile {
  readonly path: string;
  readonly bytes?: Uint8Array;
  /** Target of a symbolic link. */
  readonly link?: string;
  /** An empty directory. */
  readonly directory?: boolean;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** What is done in one layer: packages with what they need, and what is cut off and put on. */
export interface Stage {
  /** What this layer is, for its line of history. */
  readonly title: string;
  /** `name` or `name=version`. What they depend on comes with them, unless an earlier stage has it. */
  readonly packages: readonly string[];
  /** Where a recipe's file names them, by name: `recipe.yaml:3`, for messages. */
  readonly places?: Readonly<Record<string, string>>;
  /** Further packages that only some suites have. */
  readonly inSuites?: Readonly<Record<string, readonly string[]>>;
  /** Packages that count as there although nothing has them: what only scripts or other commands of a package need. */
  readonly assume?: readonly string[];
  readonly recommends?: boolean;
  readonly essential?: boolean;
  readonly priorities?: readonly string[];
  /**
   * Paths of the packages of this stage that are left out, as in a .dockerignore, without a leading slash. Effects of scripts are cut by
   * them too.
   */
  readonly exclude?: readonly string[];
  /** Layers to make of the packages, those that most others need in the lowest. Default 1. */
  readonly layers?: number;
  readonly users?: readonly Account[];
  readonly groups?: readonly Group[];
  readonly files?: readonly RecipeFile[];
  /** Keep only what these programs of the packages can reach (slice.ts). Names, or absolute paths. */
  readonly needs?: readonly string[];
  /** Makes links to a busybox for its commands in this folder. */
  readonly applets?: { readonly busybox: string; readonly folder: string };
}

/** What a container of the image starts with. */
export interface RecipeConfig {
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly workdir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly stopSignal?: string;
}

/** An image made of Debian packages, as data. */
export interface Recipe {
  /** Suite to take packages from where nothing else says it. */
  readonly suite?: string;
  /** Lowest first; each becomes a layer. */
  readonly stages: readonly Stage[];
  readonly config: RecipeConfig;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Links `/bin` → `usr/bin` and so on. Default true. */
  readonly mergedUsr?: boolean;
  /** apt works in it: an image that is made under its embedded name gets this machine's mirror as a last layer. */
  readonly apt?: boolean;
}

/** A recipe with the packages that a suite has beside those of every suite. */
export function forSuite(recipe: Recipe, suite: string): Recipe {
  const stages = recipe.stages.map((stage) => {
    const more = stage.inSuites && Object.hasOwn(stage.inSuites, suite) ? stage.inSuites[suite] : undefined;
    return more === undefined ? stage : { ...stage, packages: [...stage.packages, ...more] };
  });
  return { ...recipe, stages };
}

/** Changes whenever the same recipe and packages would come to other bytes than with an earlier nought. */
export const RECIPE_VERSION = 1;
