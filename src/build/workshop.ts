import type { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { SandboxMount, SandboxSpec } from "../sandbox/spec.ts";
import type { Shelf } from "../shelf/shelf.ts";
import type { CacheRecord } from "../store/face.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import type { Tree } from "../tree/tree.ts";
import type { InputRef } from "./graph.ts";
import type { OpenInput } from "./input.ts";
import type { RunTools } from "./run/tools.ts";
import type { Turns } from "./turns.ts";

/** The keys under which one step was looked up, in the order they are tried. */
export interface StepKeys {
  readonly label: string;
  readonly id: Digest;
  /** Digest of the operation alone. */
  readonly definition: Digest;
  /** chainID of what was below. */
  readonly below: Digest;
  /** Digests of what each source chose; absent where the files were read and sealed first. */
  readonly selections?: readonly Digest[];
  readonly quick?: Digest;
  readonly exact?: Digest;
  readonly cached: boolean;
  readonly diffId: Digest;
}

/** A RUN step that failed, for somebody to look into before it is gone. */
export interface FailedScene {
  readonly label: string;
  readonly failure: Failure;
  /** The image that the step started from. */
  readonly tree: Tree;
  /** The step's sandbox once more, with what it changed, its mounts and these; other arguments may be put in. */
  open(mounts: readonly SandboxMount[]): SandboxSpec;
}

/** Something that ADD fetched, known by its content or its commit. */
export type Fetched = { readonly url: string } & ({ readonly digest: Digest } | { readonly commit: string });

/** Layers that are known by name alone. */
export interface LayerPromises {
  /** As the build recalls, and what is promised too: then the blob is none that can be had. */
  recall(key: Digest): CacheRecord | undefined;
  has(blob: Descriptor): boolean;
}

/** Says that a step would have to be performed. */
export class Unforeseen extends Error {}

/** What steps work with: handed down by solve, so that a step knows nothing of flags, terminals or folders of the store. */
export interface Workshop {
  /** Blobs of registries that a step reads are fetched by it. */
  readonly store: OfferingStore;
  readonly shelf: Shelf;
  readonly task: Task;
  /** SOURCE_DATE_EPOCH in seconds. */
  readonly epoch: number | undefined;
  /** Told of the keys of every step, for `--print keys`. */
  readonly tellKeys?: (keys: StepKeys) => void;
  /** Told of everything that ADD fetched, for provenance. */
  readonly saw?: (what: Fetched) => void;
  /** Opens what COPY --from, FROM or the context name; waits for a stage to be built. */
  open(input: InputRef): Promise<OpenInput>;
  recall(key: Digest): CacheRecord | undefined;
  remember(record: Omit<CacheRecord, "at">): void;
  /** What caches say of layers that nobody has, for a look whether any is needed (foresee.ts). */
  readonly promises?: LayerPromises | undefined;
  /** A step that is not known throws Unforeseen instead of being performed. */
  readonly hitsOnly?: boolean;
  /** A private folder for check-outs; it is gone when the build is over. */
  tmp(): Promise<string>;
  /** What `--allow` lets RUN have: `network.host`, `security.insecure`. */
  readonly allow: ReadonlySet<string>;
  /** What RUN needs of the machine and of the command line. */
  run(): Promise<RunTools>;
  /** With several platforms side by side: the same step is performed by one of them at a time. */
  readonly turns?: Turns;
  /** Asked for with --debug-on-failure. */
  readonly lookInto?: (scene: FailedScene) => Promise<void>;
  /** Something to close when the build is over. */
  later(close: () => Promise<void>): void;
}
