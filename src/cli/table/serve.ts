import type { Command } from "../command.ts";

/** A registry of one's own. */
export const SERVE_COMMANDS: readonly Command[] = [
  {
    paths: ["registry serve"],
    usage: "[OPTIONS] [DIR]",
    description: "Serve images over the distribution API, on this machine only",
    more: "DIR is a folder that becomes a registry others can push to (made where it is missing or empty), or an OCI image layout, or a nought store; these two are shown read-only. Without DIR it is the local store. An image of the store is found as people write it: 127.0.0.1:5000/app:1 is the image app:1, 127.0.0.1:5000/ghcr.io/user/app:1 the image ghcr.io/user/app:1. It ends when it is interrupted.",
    section: "Commands",
    flags: [
      {
        name: "listen",
        type: "string",
        default: "127.0.0.1:5000",
        placeholder: "address",
        description: "Address and port on loopback; port 0 takes a free one",
      },
      { name: "read-only", type: "bool", description: "Refuse every change" },
      { name: "quiet", short: "q", type: "bool", description: "Do not tell of each request" },
    ],
    positional: { min: 0, max: 1 },
    completes: "folders",
    load: () => import("../commands/registry-serve.ts"),
  },
];
