/**
 * The closed set of error codes. Each has a page under docs/errors/, made by scripts/docs.ts from this table.
 * `exit` is the exit code of the command line: 1 what the user gave does not work (docker's 1), 2 wrong usage,
 * 4 trust (digest, size, signature), 5 authentication, 6 network, 7 local storage, 8 sandbox or RUN, 9 a gate.
 */
export interface CodeFacts {
  readonly exit: number;
  /** What happened, in one sentence. */
  readonly title: string;
  /** What to do about it. */
  readonly cure: string;
}

export const CODES = {
  USAGE: { exit: 2, title: "The command line does not make sense.", cure: "Run the command with --help to see its flags." },
  SYNTAX: { exit: 1, title: "A Dockerfile does not parse.", cure: "Correct the marked lines; every error of the file is listed at once." },
  EXPANSION: {
    exit: 1,
    title: "A variable in a Dockerfile could not be expanded.",
    cure: "Give the variable a value with ARG, ENV or --build-arg, or correct the modifier.",
  },
  PLAN: { exit: 1, title: "A Dockerfile parses but does not describe a build.", cure: "Correct the marked instruction." },
  CHECK: {
    exit: 1,
    title: "A build check failed and the file asks for checks to be errors.",
    cure: "Mend the finding, or skip the rule with `# check=skip=RuleName`.",
  },
  NOT_FOUND: {
    exit: 1,
    title: "A file, stage, image or name does not exist.",
    cure: "Check the spelling; for files, check the ignore file too.",
  },
  CONTEXT: {
    exit: 1,
    title: "The build context holds something that cannot become part of an image.",
    cure: "Remove it, or exclude it in .dockerignore.",
  },
  CHANGED: { exit: 1, title: "A file changed while it was being read.", cure: "Stop what writes to it and build again." },
  CONFLICT: { exit: 1, title: "Something is still in use under another name.", cure: "Remove the other names first, or force it." },
  RESERVED: { exit: 1, title: "`scratch` is a reserved name.", cure: "Choose another name; `FROM scratch` alone starts from nothing." },
  REFERENCE: { exit: 2, title: "An image name is not well formed.", cure: "Names are [registry/]path[:tag][@digest], in lower case." },
  TAR: {
    exit: 1,
    title: "A tar archive is damaged or holds something it must not.",
    cure: "Make the archive anew; the offset is in the message.",
  },
  COMPRESSION: {
    exit: 1,
    title: "A compressed stream is damaged, cut or of an unknown kind.",
    cure: "Make the archive anew, with gzip, zstd, xz or bzip2.",
  },
  MANIFEST: {
    exit: 1,
    title: "A manifest, index or configuration document is not valid.",
    cure: "Make the image anew with a tool that follows the OCI image specification.",
  },
  LIMIT: { exit: 1, title: "Input from outside is larger than nought accepts.", cure: "The limit is named in the message." },
  DIGEST: {
    exit: 4,
    title: "Bytes do not match their digest or size.",
    cure: "Fetch or build the image again; `nought image prune` removes what is damaged.",
  },
  SIGNATURE: {
    exit: 4,
    title: "A signature is missing, wrong, too old, or by a key that is not trusted.",
    cure: "For an image, check the key and who signed; for a repository, try again later or from another mirror, `--keyring FILE` names the keys to trust.",
  },
  POLICY: {
    exit: 4,
    title: "The policy of this machine or user does not allow an image.",
    cure: "The message names the file, the scope and the rule; `nought verify` shows what signatures there are.",
  },
  KEY: {
    exit: 1,
    title: "A key for signing or verifying cannot be used.",
    cure: "Check the file, its form (PEM) and its password (COSIGN_PASSWORD).",
  },
  PACKAGE: {
    exit: 1,
    title: "A Debian package or package index cannot be used, or packages do not fit together.",
    cure: "The message names the package and why; check the suite and the spelling.",
  },
  AUTH: { exit: 5, title: "A registry did not let us in.", cure: "Log in, or check the rights of the account." },
  NETWORK: {
    exit: 6,
    title: "A server could not be reached, or the connection failed for good.",
    cure: "Check the address and try again.",
  },
  STORAGE: { exit: 7, title: "The local disk or store refused.", cure: "The message names the path and the reason." },
  NO_SPACE: { exit: 7, title: "The disk is full.", cure: "Free some space, for example with `nought system prune`, and try again." },
  SANDBOX: {
    exit: 8,
    title: "A process could not be started in isolation, or it failed.",
    cure: "The message says which step; see docs/architecture.md.",
  },
  UNSUPPORTED: { exit: 1, title: "nought does not do this yet.", cure: "The message says what to use instead." },
  GATE: { exit: 9, title: "A gate found something.", cure: "Mend what is listed." },
  INTERRUPTED: { exit: 130, title: "The command was interrupted.", cure: "Run it again; nothing half-done was kept." },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof CODES;
