import type { Command } from "../command.ts";
import { FORCE, OBJECT_FORMAT, TABLE_FORMAT } from "./format.ts";

const load = () => import("../commands/volume.ts");

/** Commands on volumes with names. */
export const VOLUME_COMMANDS: readonly Command[] = [
  {
    paths: ["volume ls", "volume list"],
    usage: "[OPTIONS]",
    description: "List volumes",
    section: "Commands",
    flags: [
      { name: "filter", short: "f", type: "map", placeholder: "filter", description: "Show only volumes that fit: name=, dangling=" },
      TABLE_FORMAT,
      { name: "quiet", short: "q", type: "bool", description: "Only display volume names" },
    ],
    positional: { min: 0, max: 0 },
    load,
  },
  {
    paths: ["volume create"],
    usage: "[VOLUME]",
    description: "Create a volume",
    section: "Commands",
    flags: [],
    positional: { min: 0, max: 1 },
    load,
  },
  {
    paths: ["volume inspect"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    description: "Show everything about one or more volumes as JSON",
    section: "Commands",
    flags: [OBJECT_FORMAT],
    positional: { min: 1 },
    load,
  },
  {
    paths: ["volume rm", "volume remove"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    description: "Remove one or more volumes",
    section: "Commands",
    flags: [{ name: "force", short: "f", type: "bool", description: "A volume that is not there is no failure" }],
    positional: { min: 1 },
    load,
  },
  {
    paths: ["volume prune"],
    usage: "[OPTIONS]",
    description: "Remove volumes that no container uses",
    section: "Commands",
    flags: [
      {
        name: "all",
        short: "a",
        type: "bool",
        hidden: true,
        description: "Accepted for docker's sake: only volumes with names are left over",
      },
      FORCE,
    ],
    positional: { min: 0, max: 0 },
    load,
  },
];
