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
  {
    paths: ["image copy", "image cp", "copy"],
    usage: "[OPTIONS] SRC DST",
    description: "Copy an image from one place to another",
    more: "A place is docker://NAME (a registry), oci:FOLDER[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:NAME], or a name of the local store, store:NAME where that could be taken for another. Documents and blobs stay as they are, all platforms come along; from registry to registry nothing touches the disk. Only plain layers, of the store and of docker archives, are packed for a registry. A docker archive takes one platform. The digest of what was copied is printed.",
    section: "Commands",
    flags: [
      { name: "platform", type: "string", description: 'Copy only this platform, as "os[/arch[/variant]]"' },
      { name: "compression", type: "string", default: "gzip", description: 'How plain layers are packed: "gzip", "zstd"' },
      { name: "compression-level", type: "int", description: "Level of that compression" },
      { name: "force-compression", type: "bool", description: "Pack stored layers anew that are packed in another way" },
      { name: "digestfile", type: "string", placeholder: "file", description: "Write the digest of what was copied to a file" },
      { name: "quiet", short: "q", type: "bool", description: "Suppress progress output" },
    ],
    positional: { min: 2, max: 2 },
    completes: "images",
    load: () => import("../commands/copy.ts"),
  },
];
