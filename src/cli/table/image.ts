import type { Command } from "../command.ts";
import type { Flag } from "../flags.ts";
import { FORCE, OBJECT_FORMAT, TABLE_FORMAT } from "./format.ts";

const NO_TRUNC: Flag = { name: "no-trunc", type: "bool", description: "Don't truncate output" };
const PLATFORM: Flag = {
  name: "platform",
  type: "string",
  description: 'Take only this platform of a multi-platform image, as "os[/arch[/variant]]"',
};
const COMPRESSION: readonly Flag[] = [
  { name: "compression", type: "string", description: 'How layers are written: "uncompressed", "gzip", "zstd" (default: as stored)' },
  { name: "compression-level", type: "int", description: "Level of that compression" },
];

/** Commands on images of the local store. */
export const IMAGE_COMMANDS: readonly Command[] = [
  {
    paths: ["image ls", "image list", "images"],
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    description: "List images",
    section: "Common Commands",
    flags: [
      { name: "all", short: "a", type: "bool", description: "Show all images (nought keeps no intermediate ones)" },
      { name: "digests", type: "bool", description: "Show digests" },
      {
        name: "filter",
        short: "f",
        type: "map",
        placeholder: "filter",
        description: "Show only images that fit: reference=, dangling=, before=, since=, label=, until=",
      },
      TABLE_FORMAT,
      NO_TRUNC,
      { name: "quiet", short: "q", type: "bool", description: "Only show image IDs" },
    ],
    positional: { min: 0, max: 1 },
    completes: "images",
    load: () => import("../commands/images.ts"),
  },
  {
    paths: ["image history", "history"],
    usage: "[OPTIONS] IMAGE",
    description: "Show the history of an image",
    section: "Commands",
    flags: [
      TABLE_FORMAT,
      { name: "human", short: "H", type: "bool", default: "true", description: "Print sizes and dates in human readable format" },
      NO_TRUNC,
      PLATFORM,
      { name: "quiet", short: "q", type: "bool", description: "Only show image IDs" },
    ],
    positional: { min: 1, max: 1 },
    completes: "images",
    load: () => import("../commands/history.ts"),
  },
  {
    paths: ["inspect"],
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    description: "Show everything about one or more containers or images as JSON",
    more: "A name is looked for among containers first. A HEALTHCHECK is shown and not carried out.",
    section: "Commands",
    flags: [
      OBJECT_FORMAT,
      { name: "size", short: "s", type: "bool", description: "Display total file sizes of containers; images always show their size" },
      { name: "type", type: "string", description: 'Kind of object to look for: "container" or "image"' },
    ],
    positional: { min: 1 },
    completes: "images",
    load: () => import("../commands/inspect.ts"),
  },
  {
    paths: ["image inspect"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Show everything about one or more images as JSON",
    section: "Commands",
    flags: [OBJECT_FORMAT, PLATFORM],
    positional: { min: 1 },
    completes: "images",
    load: () => import("../commands/inspect.ts"),
  },
  {
    paths: ["image tag", "tag"],
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    description: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    section: "Commands",
    flags: [],
    positional: { min: 2, max: 2 },
    completes: "images",
    load: () => import("../commands/tag.ts"),
  },
  {
    paths: ["image rm", "image remove", "rmi"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Remove one or more images",
    section: "Commands",
    flags: [
      { name: "force", short: "f", type: "bool", description: "Remove an image although several names refer to it" },
      { name: "no-prune", type: "bool", description: "Keep the bytes of the image for now" },
    ],
    positional: { min: 1 },
    completes: "images",
    load: () => import("../commands/rmi.ts"),
  },
  {
    paths: ["image save", "save"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    section: "Commands",
    flags: [
      { name: "output", short: "o", type: "string", description: "Write to a file (a folder for oci-dir), instead of STDOUT" },
      {
        name: "format",
        type: "string",
        default: "docker-archive",
        description: 'Form of the archive: "docker-archive", "oci-archive", "oci-dir"',
      },
      ...COMPRESSION,
      PLATFORM,
    ],
    positional: { min: 1 },
    completes: "images",
    load: () => import("../commands/save.ts"),
  },
  {
    paths: ["image load", "load"],
    usage: "[OPTIONS]",
    description: "Load images from a tar archive, an OCI layout or STDIN",
    section: "Commands",
    flags: [
      { name: "input", short: "i", type: "string", description: "Read from this archive or OCI layout folder, instead of STDIN" },
      { ...PLATFORM, hidden: true, description: "Not supported: all platforms of an archive are loaded" },
      { name: "quiet", short: "q", type: "bool", description: "Suppress the load output" },
    ],
    positional: { min: 0, max: 0 },
    load: () => import("../commands/load.ts"),
  },
  {
    paths: ["image import", "import"],
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    description: "Make an image of one layer from a tarball of a file system",
    section: "Commands",
    flags: [
      {
        name: "change",
        short: "c",
        type: "list",
        placeholder: "list",
        description: "Apply a Dockerfile instruction to the image's config",
      },
      { name: "message", short: "m", type: "string", description: "Comment for the image's history" },
      { name: "platform", type: "string", description: 'Platform of the image, as "os[/arch[/variant]]"' },
    ],
    positional: { min: 1, max: 2 },
    completes: "files",
    load: () => import("../commands/import.ts"),
  },
  {
    paths: ["image prune"],
    usage: "[OPTIONS]",
    description: "Remove unused images",
    section: "Commands",
    flags: [
      { name: "all", short: "a", type: "bool", description: "Remove all images, not just those without a name" },
      {
        name: "filter",
        type: "map",
        placeholder: "filter",
        description: 'Remove only images that fit: until=, label=, label!= (e.g. "until=24h")',
      },
      FORCE,
    ],
    positional: { min: 0, max: 0 },
    load: () => import("../commands/prune.ts"),
  },
];
