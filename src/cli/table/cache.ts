import type { Command } from "../command.ts";
import type { Flag } from "../flags.ts";
import { FORCE, TABLE_FORMAT } from "./format.ts";

const FILTER: Flag = {
  name: "filter",
  type: "map",
  placeholder: "filter",
  description: 'Only what fits ("until=24h", "id=NAME", "type=exec.cachemount", "type=regular", "inuse=true")',
};

/** The build cache: what steps came to, and the directories of RUN --mount=type=cache. */
export const CACHE_COMMANDS: readonly Command[] = [
  {
    paths: ["cache ls", "cache list", "builder du", "buildx du"],
    usage: "[OPTIONS]",
    description: "List the build cache: results of steps, and cache mounts",
    more: "A cache mount (RUN --mount=type=cache) has the type exec.cachemount and is described by its id; the result of a step has the type regular.",
    section: "Commands",
    flags: [
      { name: "builder", type: "string", hidden: true, description: "Ignored: there is one builder, nought itself" },
      FILTER,
      TABLE_FORMAT,
      { name: "no-trunc", type: "bool", description: "Don't truncate output" },
      { name: "quiet", short: "q", type: "bool", description: "Only display IDs" },
      { name: "verbose", type: "bool", description: "Provide a more verbose output" },
    ],
    positional: { min: 0, max: 0 },
    load: () => import("../commands/cache-ls.ts"),
  },
  {
    paths: ["cache prune"],
    usage: "[OPTIONS]",
    description: "Remove cache mounts and results of build steps",
    more: "What a build uses right now stays. With --keep-storage, what was used longest ago goes first.",
    section: "Commands",
    flags: [
      { name: "all", short: "a", type: "bool", description: "Remove also results of steps that an image holds" },
      FILTER,
      FORCE,
      { name: "keep-storage", type: "string", placeholder: "bytes", description: "Amount of disk space to keep for cache" },
      { name: "verbose", type: "bool", hidden: true, description: "Ignored: everything removed is listed" },
    ],
    positional: { min: 0, max: 0 },
    load: () => import("../commands/cache-prune.ts"),
  },
  {
    paths: ["cache export"],
    usage: "[OPTIONS] FILE|FOLDER|-",
    description: "Write cache mounts to a tar archive or a folder",
    more: "Owners, modes, times and attributes are kept, and equal contents give equal bytes. It is an OCI image layout with one artifact, so that other tools can carry it to a registry. A FOLDER is what is there as one, or ends in a slash.",
    section: "Commands",
    flags: [
      { name: "id", type: "list", description: "Only the cache mount with this id, or whose ID begins so" },
      { name: "quiet", short: "q", type: "bool", description: "Do not list what was written" },
    ],
    positional: { min: 1, max: 1 },
    completes: "files",
    load: () => import("../commands/cache-export.ts"),
  },
  {
    paths: ["cache import"],
    usage: "[OPTIONS] FILE|FOLDER|-",
    description: "Take cache mounts out of what `nought cache export` wrote",
    more: "Everything is verified before it gets its place. A cache mount that is there already stays as it is, unless it is to be replaced.",
    section: "Commands",
    flags: [
      { name: "replace", type: "bool", description: "Replace cache mounts that are there already and not in use" },
      { name: "quiet", short: "q", type: "bool", description: "Do not list what was read" },
    ],
    positional: { min: 1, max: 1 },
    completes: "files",
    load: () => import("../commands/cache-import.ts"),
  },
];
