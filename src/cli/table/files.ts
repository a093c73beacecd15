import type { Command } from "../command.ts";

const PLATFORM = {
  name: "platform",
  type: "string",
  description: 'Look at this platform of a multi-platform image, as "os[/arch[/variant]]"',
} as const;
const WHERE =
  "IMAGE is a name of the local store or any place of `nought copy`, docker://NAME for one: layers are read where they are, and nothing is unpacked or started. What they hold is remembered.";

/** Commands that look at the files of images. */
export const FILES_COMMANDS: readonly Command[] = [
  {
    paths: ["image ls-files", "ls-files"],
    usage: "[OPTIONS] IMAGE [PATH...]",
    description: "List the files of an image",
    more: `As a container would see them. ${WHERE}`,
    section: "Commands",
    flags: [
      { name: "long", short: "l", type: "bool", description: "Show type, permissions, owner, size and time" },
      { name: "json", type: "bool", description: "Print a JSON document for each entry" },
      { name: "null", short: "z", type: "bool", description: "End lines with a zero byte and escape nothing" },
      PLATFORM,
    ],
    positional: { min: 1 },
    completes: "images",
    load: () => import("../commands/ls-files.ts"),
  },
  {
    paths: ["image cat", "cat"],
    usage: "[OPTIONS] IMAGE PATH [PATH...]",
    description: "Print files of an image",
    more: `Links are followed inside the image. Layers are read from the top, only as far as it takes; of a plain layer only the file itself. ${WHERE}`,
    section: "Commands",
    flags: [PLATFORM],
    positional: { min: 2 },
    completes: "images",
    load: () => import("../commands/cat.ts"),
  },
];
