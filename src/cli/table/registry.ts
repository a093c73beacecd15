import type { Command } from "../command.ts";
import type { Flag } from "../flags.ts";
import { POLICY_FLAG } from "./sign.ts";

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
      POLICY_FLAG,
      { name: "referrers", type: "bool", description: "Download along what refers to the image: attestations, signatures" },
      QUIET,
    ],
    positional: { min: 1, max: 1 },
    load: () => import("../commands/pull.ts"),
  },
  {
    paths: ["push", "image push"],
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    description: "Upload an image to a registry",
    more: "Layers that came from a registry go as they came; plain ones are packed, and the result is remembered.",
    section: "Common Commands",
    flags: [
      { name: "all-tags", short: "a", type: "bool", description: "Push all tags of the repository" },
      { name: "compression", type: "string", default: "gzip", description: 'How plain layers are packed: "gzip", "zstd"' },
      { name: "compression-level", type: "int", description: "Level of that compression" },
      { name: "force-compression", type: "bool", description: "Pack layers anew that are packed in another way" },
      {
        name: "referrers",
        type: "bool",
        default: "true",
        description: "Upload along what the store has that refers to the image: attestations, signatures",
      },
      { name: "digestfile", type: "string", placeholder: "file", description: "Write the digest of the pushed manifest to a file" },
      QUIET,
    ],
    positional: { min: 1, max: 1 },
    completes: "images",
    load: () => import("../commands/push.ts"),
  },
  {
    paths: ["login"],
    usage: "[OPTIONS] [SERVER]",
    description: "Authenticate to a registry",
    more: "SERVER is host[:port], docker.io without. What the registry took is kept where docker keeps it: by the helper that ~/.docker/config.json names for it, else in that file, readable by you alone. DOCKER_CONFIG names another folder, REGISTRY_AUTH_FILE another file.",
    section: "Common Commands",
    flags: [
      { name: "username", short: "u", type: "string", description: "Username" },
      { name: "password", short: "p", type: "string", description: "Password; others can see it in the list of processes" },
      { name: "password-stdin", type: "bool", description: "Take the password from stdin" },
    ],
    positional: { min: 0, max: 1 },
    load: () => import("../commands/login.ts"),
  },
  {
    paths: ["logout"],
    usage: "[SERVER]",
    description: "Log out from a registry",
    section: "Common Commands",
    flags: [],
    positional: { min: 0, max: 1 },
    load: () => import("../commands/logout.ts"),
  },
  {
    paths: ["tags"],
    usage: "[OPTIONS] REPOSITORY",
    description: "List the tags of a repository of a registry",
    section: "Commands",
    flags: [{ name: "json", type: "bool", description: "Print a JSON list" }],
    positional: { min: 1, max: 1 },
    load: () => import("../commands/tags.ts"),
  },
  {
    paths: ["referrers"],
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    description: "List signatures, attestations and other artifacts that refer to an image of a registry",
    more: "store:NAME asks the local store, oci:FOLDER[:REF] and oci-archive:FILE[:REF] a layout. Each line has the digest, the type of the artifact, its size, and what an attestation is about.",
    section: "Commands",
    flags: [
      { name: "artifact-type", type: "string", placeholder: "type", description: "Only those of this type" },
      { name: "json", type: "bool", description: "Print a JSON list of descriptors" },
    ],
    positional: { min: 1, max: 1 },
    load: () => import("../commands/referrers.ts"),
  },
  {
    paths: ["attestations"],
    usage: "[OPTIONS] IMAGE",
    description: "Show what is said of an image: provenance and other statements, as JSON",
    more: "IMAGE is a name of the local store, docker://NAME in a registry, oci:FOLDER[:REF] or oci-archive:FILE[:REF]. Statements are found among the image's referrers and, as docker keeps them, beside it in its index. Signatures are not verified here: see verify-attestation.",
    section: "Commands",
    flags: [
      { name: "platform", type: "string", description: 'Ask about this platform of a multi-platform image, as "os[/arch[/variant]]"' },
      {
        name: "type",
        type: "string",
        placeholder: "type",
        description: 'Only statements of this type ("provenance", "spdx", "cyclonedx", or a URI)',
      },
      { name: "predicate", type: "bool", description: "Print the predicate of the one statement alone, to sign it with attest" },
    ],
    positional: { min: 1, max: 1 },
    completes: "images",
    load: () => import("../commands/attestations.ts"),
  },
  {
    paths: ["delete"],
    usage: "NAME[:TAG|@DIGEST] [NAME[:TAG|@DIGEST]...]",
    description: "Delete tags or manifests from a registry",
    more: "Not every registry takes tags away; a manifest, named by its digest, takes all its tags along.",
    section: "Commands",
    flags: [],
    positional: { min: 1 },
    load: () => import("../commands/delete.ts"),
  },
];
