import type { Command } from "../command.ts";
import type { Flag } from "../flags.ts";

const QUIET: Flag = { name: "quiet", short: "q", type: "bool", description: "Suppress verbose output" };
const NAMES =
  "Mirrors, insecure registries and short names are read from registries.conf as podman has it (CONTAINERS_REGISTRIES_CONF names another file) and from ~/.config/nought/registries.conf (NOUGHT_REGISTRY_CONF); http is spoken with this machine only, and where a registry is configured insecure.";

/** Commands that talk to registries. */
export const REGISTRY_COMMANDS: readonly Command[] = [
  {
    paths: ["pull", "image pull"],
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    description: "Download an image from a registry",
    more: NAMES,
    section: "Common Commands",
    flags: [
      { name: "all-tags", short: "a", type: "bool", description: "Download all tagged images in the repository" },
      { name: "platform", type: "string", description: 'Take this platform of a multi-platform image, as "os[/arch[/variant]]"' },
      QUIET,
    ],
    positional: { min: 1, max: 1 },
    load: () => import("../commands/pull.ts"),
  },
  {
    paths: ["push", "image push"],
    usage: "[OPTIONS] NAME[:TAG]",
    description: "Upload an image to a registry",
    more: "Layers that came from a registry go as they came; plain ones are packed, and the result is remembered.",
    section: "Common Commands",
    flags: [
      { name: "all-tags", short: "a", type: "bool", description: "Push all tags of the repository" },
      { name: "compression", type: "string", default: "gzip", description: 'How plain layers are packed: "gzip", "zstd"' },
      { name: "compression-level", type: "int", description: "Level of that compression" },
      { name: "force-compression", type: "bool", description: "Pack layers anew that are packed in another way" },
      { name: "digestfile", type: "string", placeholder: "file", description: "Write the digest of the pushed manifest to a file" },
      QUIET,
    ],
    positional: { min: 1, max: 1 },
    completes: "images",
    load: () => import("../commands/push.ts"),
  },
];
