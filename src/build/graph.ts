import type { RunMount } from "../dockerfile/command.ts";
import type { Image } from "../image/layer.ts";
import type { SourceSpan } from "../kit/span.ts";
import type { ContainerConfig, HistoryEntry, ImageConfig } from "../oci/config.ts";
import type { Digest } from "../oci/digest.ts";
import type { Platform } from "../oci/platform.ts";
import type { NamedContext } from "./request.ts";

/** Where files come from. */
export type InputRef =
  | { readonly from: "context" }
  | { readonly from: "named"; readonly name: string; readonly context: NamedContext }
  | { readonly from: "stage"; readonly index: number }
  | { readonly from: "image"; readonly name: string; readonly image: Image }
  | { readonly from: "scratch" };

/** One thing that a step does to the file tree; every word expanded, every path absolute. */
export type FileAction =
  | { readonly do: "mkdir"; readonly path: string; readonly user: string }
  | {
      readonly do: "copy";
      readonly input: InputRef;
      /** Wildcards still in. */
      readonly sources: readonly string[];
      readonly excludes: readonly string[];
      readonly parents: boolean;
      /** ADD: sources that are archives are unpacked. */
      readonly unpack: boolean;
      readonly put: Put;
    }
  | { readonly do: "write"; readonly name: string; readonly text: string; readonly put: Put }
  | { readonly do: "fetch"; readonly url: string; readonly checksum?: string; readonly unpack: boolean; readonly put: Put }
  | {
      readonly do: "git";
      readonly url: string;
      readonly checksum?: string;
      readonly keepGitDir: boolean;
      readonly put: Put;
      readonly excludes: readonly string[];
    };

export interface Put {
  /** Absolute; a trailing slash says that it must be a directory. */
  readonly dest: string;
  readonly chown?: string;
  readonly chmod?: string;
  /** On a layer of its own: nothing of what was there before is looked at. */
  readonly link: boolean;
}

/** A program from a heredoc, there for one RUN only, with mode 0755. */
export interface RunFile {
  readonly path: string;
  readonly text: string;
}

/** What a step does. */
export type StepOp =
  | { readonly kind: "files"; readonly actions: readonly FileAction[] }
  | {
      readonly kind: "run";
      readonly args: readonly string[];
      readonly files: readonly RunFile[];
      readonly env: readonly string[];
      readonly cwd: string;
      readonly user: string;
      readonly mounts: readonly RunMount[];
      readonly inputs: readonly InputRef[];
      readonly network: string;
      readonly security: string;
      readonly devices: readonly { readonly name: string; readonly required: boolean }[];
    };

/** One step of a stage that may add a layer: a vertex of the build's graph. */
export interface Step {
  /** Digest of the definition; equal steps on equal inputs have equal ids. */
  readonly id: Digest;
  /** `[builder 2/4] WORKDIR /app`, as buildx shows it. */
  readonly label: string;
  readonly op: StepOp;
  readonly span: SourceSpan;
}

export type Base =
  | { readonly kind: "scratch" }
  | { readonly kind: "stage"; readonly index: number }
  | { readonly kind: "image"; readonly name: string; readonly image: Image };

/** A stage with every word expanded: what to start from, what to add, and what the image will say of itself. */
export interface StagePlan {
  readonly index: number;
  /** As docker calls it: its name, or `stage-N`. */
  readonly name: string;
  /** Its FROM. */
  readonly span: SourceSpan;
  readonly platform: Platform;
  readonly base: Base;
  readonly steps: readonly Step[];
  readonly config: ContainerConfig;
  readonly author?: string;
  /** Of the base and of this stage; times are filled in when the image is assembled. */
  readonly history: readonly HistoryEntry[];
  /** How many of `history` came with the base. */
  readonly inherited: number;
  /** Fields of the base's configuration document that are carried on. */
  readonly baseConfig?: ImageConfig;
}

/** All stages that the target needs, by index. */
export interface BuildGraph {
  readonly stages: ReadonlyMap<number, StagePlan>;
  readonly target: number;
  /** No stage uses the cache when true; else the indexes of those that must not. */
  readonly noCache: true | ReadonlySet<number>;
}

/** Stages that a stage takes files from, or starts from. */
export function dependenciesOf(stage: StagePlan): readonly number[] {
  const needs = new Set<number>();
  if (stage.base.kind === "stage") needs.add(stage.base.index);
  const add = (input: InputRef) => input.from === "stage" && needs.add(input.index);
  for (const { op } of stage.steps) {
    if (op.kind === "run") op.inputs.forEach(add);
    else for (const action of op.actions) if (action.do === "copy") add(action.input);
  }
  return [...needs];
}
