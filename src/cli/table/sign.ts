import type { Command } from "../command.ts";
import type { Flag } from "../flags.ts";

const KEY: Flag = { name: "key", type: "string", placeholder: "key", description: "File with the key, or env://VARIABLE" };
/** For every command that takes images from registries. */
export const POLICY_FLAG: Flag = {
  name: "policy",
  type: "string",
  placeholder: "file",
  description: "Policy that says which images may come in (default: containers' policy.json)",
};
const ANNOTATIONS: Flag = { name: "annotations", short: "a", type: "list", description: "Extra key=value pairs to sign" };
const FORMS: Flag = {
  name: "signature-format",
  type: "string",
  default: "both",
  description: '"bundle" (sigstore\'s, cosign 3), "classic" (cosign 1 and 2, podman, skopeo), "both"',
};
const LOG: Flag = { name: "tlog-upload", type: "bool", description: "Not supported: no transparency log is written to" };
const FORMAT: Flag = { name: "format", type: "string", default: "json", description: 'Form of the output: "json", "text"' };
const PLACES =
  "Signatures are cosign's: what nought signs cosign verifies, and the other way round. They lie beside the image in its registry and are made over the digest of the manifest that is there, so an image of the local store is pushed first. The password of the key is taken from COSIGN_PASSWORD, the terminal or standard input.";

const TYPES = "slsaprovenance|slsaprovenance02|slsaprovenance1|link|spdx|spdxjson|cyclonedx|vuln|openvex|custom, or a URI";

/** Commands that sign and verify. */
export const SIGN_COMMANDS: readonly Command[] = [
  {
    paths: ["key generate", "generate-key-pair"],
    usage: "[OPTIONS]",
    description: "Make a pair of keys for signing",
    more: "Writes PREFIX.key, closed with a password, and PREFIX.pub, as cosign does: ECDSA on P-256. The password is taken from COSIGN_PASSWORD, else from the terminal, else from standard input. With --import a key of your own (PEM: ECDSA, Ed25519, RSA) gets that form.",
    section: "Commands",
    flags: [
      {
        name: "output-key-prefix",
        short: "o",
        type: "string",
        default: "cosign",
        placeholder: "prefix",
        description: "Begin of the files' names",
      },
      { name: "import", type: "string", placeholder: "file", description: "Take this private key instead of a new one" },
      { name: "force", short: "f", type: "bool", description: "Overwrite files that are there" },
    ],
    positional: { min: 0, max: 0 },
    load: () => import("../commands/key-generate.ts"),
  },
  {
    paths: ["sign"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Sign images in a registry",
    more: PLACES,
    section: "Commands",
    flags: [
      KEY,
      ANNOTATIONS,
      { name: "recursive", short: "r", type: "bool", description: "Sign all that an index lists, too" },
      FORMS,
      {
        name: "sign-container-identity",
        type: "string",
        placeholder: "name",
        description: "Name that the signature is for (default: the repository)",
      },
      LOG,
    ],
    positional: { min: 1 },
    load: () => import("../commands/sign.ts"),
  },
  {
    paths: ["verify"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Verify the signatures of images in a registry",
    more: "Fails with exit code 4 where no signature holds, and says why for each. What was signed is printed to standard output as cosign prints it, what was checked to standard error. The key alone counts: no transparency log is asked.",
    section: "Commands",
    flags: [
      KEY,
      { ...ANNOTATIONS, description: "key=value pairs that must have been signed" },
      FORMAT,
      { ...POLICY_FLAG, description: "Ask this policy in place of a key, as a pull would" },
    ],
    positional: { min: 1 },
    load: () => import("../commands/verify.ts"),
  },
  {
    paths: ["attest"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Sign a statement about images in a registry",
    more: "The predicate is a file that says something of the image: where it comes from, what is in it, what was found. JSON is taken as it is; for the types custom and spdx any text is. With the image's digest and the type it becomes an in-toto statement, which is signed and attached to the image, as cosign does.",
    section: "Commands",
    flags: [
      KEY,
      { name: "predicate", type: "string", placeholder: "file", description: "File with what is said" },
      { name: "type", type: "string", default: "custom", description: TYPES },
      FORMS,
      LOG,
    ],
    positional: { min: 1 },
    load: () => import("../commands/attest.ts"),
  },
  {
    paths: ["verify-attestation"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    description: "Verify signed statements about images in a registry",
    more: "Fails with exit code 4 where no statement of the type holds, and says why for each. Envelopes are printed to standard output as cosign prints them, one a line; with --format text the statements in them.",
    section: "Commands",
    flags: [KEY, { name: "type", type: "string", default: "custom", description: `${TYPES}, or "any"` }, FORMAT],
    positional: { min: 1 },
    load: () => import("../commands/verify-attestation.ts"),
  },
];
