import type { Command } from "../command.ts";

/** Commands that look into containers. */
export const INSIDE_COMMANDS: readonly Command[] = [
  {
    paths: ["debug", "container debug"],
    usage: "[OPTIONS] CONTAINER|PID|IMAGE [COMMAND] [ARG...]",
    description: "Start a shell with tools beside a container, process or image that has none",
    more:
      "The tools come from a second image, and see the processes, the network and, under /target, the files of the first, in which nothing is left behind. " +
      "Without --image they are those of busybox, from the machine itself. " +
      "Any process that you may trace can be looked into, also one that docker or podman started; of an image or a stopped container nothing is started, and /target is a copy.",
    section: "Common Commands",
    flags: [
      { name: "cap-add", type: "list", description: "Add Linux capabilities (SYS_PTRACE to trace other users' processes)" },
      { name: "command", short: "c", type: "string", description: "Run a line of shell instead of an interactive one" },
      { name: "env", short: "e", type: "list", description: "Set environment variables" },
      {
        name: "image",
        type: "string",
        placeholder: "image",
        description: "Image that the tools come from (default: a busybox of this machine)",
      },
      { name: "interactive", short: "i", type: "bool", description: "Keep STDIN open (by itself where a shell is started at a terminal)" },
      { name: "privileged", type: "bool", description: "Give all capabilities and no filter of system calls" },
      { name: "rm", type: "bool", default: "true", hidden: true, description: "Accepted for docker's sake: nothing is ever left" },
      { name: "shell", type: "string", description: "Shell to start (default: what the image starts)" },
      { name: "tty", short: "t", type: "bool", description: "Allocate a pseudo-TTY" },
      {
        name: "user",
        short: "u",
        type: "string",
        description: 'Username or UID in the tools\' image (format: "<name|uid>[:<group|gid>]")',
      },
      { name: "workdir", short: "w", type: "string", description: "Working directory" },
    ],
    positional: { min: 1 },
    stopAtFirst: true,
    completes: "images",
    load: () => import("../commands/debug.ts"),
  },
];
