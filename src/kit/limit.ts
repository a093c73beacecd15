/**
 * Every bound on input from outside, in one table, so that a message can name the bound it hit.
 * Sizes are bytes. Each has a test at its edge.
 */
export const LIMITS = {
  /** A Dockerfile or an ignore file. */
  dockerfileBytes: 4 << 20,
  /** Result of one variable expansion. */
  expansionBytes: 1 << 20,
  /** Nesting of `${a:-${b:-…}}`. */
  expansionDepth: 256,
  /** Errors reported for one Dockerfile before parsing gives up. */
  dockerfileErrors: 100,
  /** ONBUILD triggers taken over from a base. */
  onbuildTriggers: 1_000,
  /** Manifest, index or configuration document. */
  manifestBytes: 4 << 20,
  configBytes: 8 << 20,
  /** A statement of an attestation: bills of materials of whole distributions are large. */
  statementBytes: 64 << 20,
  /** Nesting of a JSON document from outside. */
  jsonDepth: 128,
  /** Entries of an index, and indexes inside indexes. */
  indexEntries: 10_000,
  indexDepth: 8,
  /** Layers of one image (docker refuses more than 127 with overlay). */
  layers: 1_000,
  /** Length of one path inside an image, and of one of its parts. */
  pathBytes: 4_096,
  nameBytes: 255,
  /** One PAX or GNU long-name record. */
  tarMetadataBytes: 1 << 20,
  /** Entries of one layer or context. */
  treeEntries: 5_000_000,
  /** Bytes that one compressed stream may unpack to, and how much larger than its input it may grow. */
  unpackedBytes: 64 * 2 ** 30,
  unpackedRatio: 20_000,
  /** passwd and group files read from an image. */
  passwdBytes: 10 << 20,
  /** Body of a remote file that ADD fetches. */
  downloadBytes: 16 * 2 ** 30,
  /** A Debian Release file, signed or not; a package index, packed and unpacked; one .deb. */
  releaseBytes: 16 << 20,
  packageIndexBytes: 1 << 30,
  debBytes: 8 * 2 ** 30,
  /** Redirects followed for one request. */
  redirects: 10,
  /** Body of an error, of a token answer, and of one page of a list that a registry sends. */
  registryErrorBytes: 64 << 10,
  tokenBytes: 1 << 20,
  listPageBytes: 4 << 20,
  /** Entries of a list that comes in pages: tags, repositories, referrers. */
  listEntries: 100_000,
  /** A file with credentials, and what a credential helper prints. */
  credentialBytes: 1 << 20,
  /** A registries.conf. */
  registriesConfBytes: 1 << 20,
  /** What a classic signature says, a file with a key, and a policy. */
  payloadBytes: 1 << 20,
  keyBytes: 1 << 20,
  policyBytes: 4 << 20,
  /** Signatures or attestations of one image that are looked at. */
  signatures: 1_000,
  /** Milliseconds in which a connection must stand. */
  connectMs: 15_000,
  /** Milliseconds a registry may take to answer after it has all bytes of a blob: it may have to move them. */
  answerMs: 300_000,
  /** Milliseconds a credential helper may take. */
  helperMs: 10_000,
  /** Milliseconds without a byte before a connection counts as dead. */
  stallMs: 30_000,
} as const;
