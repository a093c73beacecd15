import { ARCHIVE_FLAGS } from "../base/choice.ts";
import type { Command } from "../command.ts";

/** Images made of Debian packages. */
export const BASE_COMMANDS: readonly Command[] = [
  {
    paths: ["base build"],
    usage: "[OPTIONS] RECIPE",
    description: "Make an image from Debian packages, without root and without running their scripts",
    more: "RECIPE is a YAML file (docs/bases.md), or the name of an embedded image such as nought/static. With --lock, the packages are those that the file pins, the same bytes anywhere; where the file is missing, it is written. The ID of the image is printed.",
    section: "Commands",
    flags: [
      { name: "tag", short: "t", type: "list", placeholder: "name", description: "Name of the image, NAME[:TAG]" },
      { name: "lock", type: "string", placeholder: "file", description: "Lock file: taken where it is there, else written" },
      { name: "platform", type: "csv", placeholder: "platform", description: "Platforms to make the image for; several come to an index" },
      ...ARCHIVE_FLAGS,
      { name: "progress", type: "string", placeholder: "mode", description: "How progress is shown: auto, plain, tty, rawjson, quiet" },
      { name: "quiet", short: "q", type: "bool", description: "Print the ID of the image only" },
    ],
    positional: { min: 1, max: 1 },
    completes: "files",
    load: () => import("../commands/base-build.ts"),
  },
  {
    paths: ["base update"],
    usage: "[OPTIONS] RECIPE",
    description: "Show which packages of a lock file would move",
    section: "Commands",
    flags: [
      { name: "lock", type: "string", placeholder: "file", description: "Lock file to compare" },
      { name: "write", type: "bool", description: "Bring the lock file up to date" },
      ...ARCHIVE_FLAGS,
    ],
    positional: { min: 1, max: 1 },
    completes: "files",
    load: () => import("../commands/base-update.ts"),
  },
  {
    paths: ["base slice"],
    usage: "[OPTIONS] PACKAGE [PACKAGE...]",
    description: "Make an image with only those files of packages that given programs can reach",
    more: "Loaders, libraries, interpreters of scripts, and what the programs name are kept (docs/bases.md); records and licences of all packages stay, and say what was cut. Try the result: what a program finds by other ways is not seen. The ID of the image is printed.",
    section: "Commands",
    flags: [
      { name: "needs", type: "csv", placeholder: "program", description: "Programs to keep, by name or absolute path; at least one" },
      { name: "tag", short: "t", type: "list", placeholder: "name", description: "Name of the image, NAME[:TAG]" },
      { name: "assume", type: "csv", placeholder: "package", description: "Packages that count as there and are not taken" },
      { name: "platform", type: "csv", placeholder: "platform", description: "Platforms to make the image for; several come to an index" },
      ...ARCHIVE_FLAGS,
    ],
    positional: { min: 1 },
    load: () => import("../commands/base-slice.ts"),
  },
];
