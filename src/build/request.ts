import type { Compression } from "../oci/media-type.ts";
import type { Platform } from "../oci/platform.ts";
import type { Reference } from "../oci/reference.ts";
import type { SandboxLimits } from "../sandbox/spec.ts";
import type { AttestRequest } from "./attest.ts";

/** Where the files of the build come from. */
export type ContextSource =
  | { readonly kind: "dir"; readonly path: string }
  /**
   * A tar archive, compressed or not; `path` is a file on disk (standard input was spooled by the caller), `url` where it was fetched
   * from.
   */
  | { readonly kind: "tar"; readonly path: string; readonly url?: string }
  | { readonly kind: "git"; readonly url: string }
  /** No files at all (a Dockerfile on standard input and nothing else). */
  | { readonly kind: "none" };

/** `--build-context NAME=…`. */
export type NamedContext =
  | { readonly kind: "dir"; readonly path: string }
  | { readonly kind: "tar"; readonly path: string }
  | { readonly kind: "git"; readonly url: string }
  | { readonly kind: "image"; readonly name: Reference }
  | { readonly kind: "layout"; readonly path: string; readonly digest?: string; readonly tag?: string };

/** One `-o`. `dest` `-` is standard output. */
export interface OutputRequest {
  readonly type: "image" | "oci" | "docker" | "local" | "tar";
  readonly dest?: string;
  readonly names: readonly Reference[];
  readonly compression?: Compression;
  readonly level?: number;
  readonly force: boolean;
  /** To the registry that each name says, when all is built. `only`: the store then gets no name (type=registry). */
  readonly push?: "also" | "only";
  /** The registry gets no tag: the image is found there by its digest alone. */
  readonly byDigest?: boolean;
  /** `tar=false` of type=oci and type=docker: a directory instead of an archive. */
  readonly directory: boolean;
}

/** A whole `nought build` as plain data: flags parsed, files not yet read. */
export interface BuildRequest {
  readonly context: ContextSource;
  /** The Dockerfile: a path on disk, a path inside a tar or git context, or its text (standard input). */
  readonly dockerfile:
    | { readonly kind: "path"; readonly path: string }
    | { readonly kind: "inside"; readonly path: string }
    | { readonly kind: "text"; readonly text: string };
  readonly names: readonly Reference[];
  readonly target?: string;
  /** Undefined values are taken from the environment by the caller before; what stays undefined unsets. */
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  /** More than one: a build for each, and an index over them (platforms.ts). `platform` is then the first. */
  readonly platforms?: readonly Platform[];
  readonly contexts: Readonly<Record<string, NamedContext>>;
  readonly noCache: boolean;
  readonly noCacheFilter: readonly string[];
  readonly pull: boolean;
  readonly addHosts: readonly string[];
  readonly network?: string;
  readonly secrets: readonly string[];
  readonly ssh: readonly string[];
  /** Entitlements: `network.host`, `security.insecure`. */
  readonly allow?: readonly string[];
  /** `--ulimit` and its kind, for RUN. */
  readonly limits?: SandboxLimits;
  /** Bytes of /dev/shm, for RUN. */
  readonly shm?: number;
  readonly outputs: readonly OutputRequest[];
  /** Attestations; none where absent. */
  readonly attest?: AttestRequest;
  /** Seconds since the epoch (SOURCE_DATE_EPOCH from flag, build-arg or environment). */
  readonly sourceDateEpoch?: number;
  /** Build checks become errors or are skipped on top of what `# check=` says. */
  readonly checkOption?: string;
}
