import { type Digest, hexOf } from "../oci/digest.ts";

/** SLSA provenance, version 1. https://slsa.dev/spec/v1.0/provenance */
export const PROVENANCE = "https://slsa.dev/provenance/v1";
/** Our way to build, and where it is described. */
export const BUILD_TYPE = "pkg:npm/nought#docs/attestations.md";
/** Who builds where nobody says otherwise: this program, wherever it ran. */
const BUILDER = "pkg:npm/nought";

/** How much is told. `min` leaves out arguments, labels, the Dockerfile's text, and steps; `max` has them. */
export type ProvenanceMode = "min" | "max";

/** What `--provenance` asks for. */
export interface ProvenanceRequest {
  readonly mode: ProvenanceMode;
  /** URI of whoever vouches for the build. */
  readonly builderId?: string;
  /** The person's word that the build is reproducible. */
  readonly reproducible?: boolean;
}

/** A source of files: `uri` without credentials, `digest` where it has one. */
export interface SourceFacts {
  /** `context` for the one of the build, else the name of a `--build-context`. */
  readonly name: string;
  readonly kind: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
}

/** Something that came from elsewhere. */
export interface Dependency {
  readonly uri: string;
  /** Absent for a package that is known by its version. */
  readonly digest?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One step in a few words; lines count from 1. */
export interface StepFacts {
  readonly name: string;
  readonly line: number;
  readonly endLine: number;
  /** Of RUN. */
  readonly args?: readonly string[];
  readonly network?: string;
}

/** One stage that the image needed. */
export interface StageFacts {
  readonly name: string;
  readonly platform: string;
  readonly base: string;
  readonly steps: readonly StepFacts[];
}

/** One layer of the image by what its tar is, not by how it is packed. */
export interface LayerFacts {
  readonly diffId: Digest;
  readonly createdBy?: string;
  /** Whether it came with the base. */
  readonly inherited: boolean;
}

/** Everything that provenance tells, all of it fit to be read by anybody. */
export interface BuildFacts {
  readonly version: string;
  readonly dockerfile: { readonly path: string; readonly digest: Digest; readonly text: string; readonly redacted: boolean };
  readonly sources: readonly SourceFacts[];
  readonly platform: string;
  readonly buildPlatform: string;
  readonly target?: string;
  readonly epoch?: number;
  readonly network?: string;
  /** Ids only. */
  readonly secrets: readonly string[];
  readonly ssh: readonly string[];
  readonly args: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly dependencies: readonly Dependency[];
  readonly stages: readonly StageFacts[];
  readonly layers: readonly LayerFacts[];
  /** Whether `dependencies` are all that went into the image. */
  readonly closed: boolean;
}

/**
 * The predicate of SLSA provenance v1. Pure, and without clock or random number: what was built from the same in the same way has the same
 * provenance (docs/decisions/0012-provenance.md).
 */
export function provenance(facts: BuildFacts, { mode, builderId, reproducible }: ProvenanceRequest): object {
  const max = mode === "max";
  const context = facts.sources.find((one) => one.name === "context");
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        configSource: {
          ...(context?.uri === undefined ? {} : { uri: context.uri }),
          path: facts.dockerfile.path,
          digest: { sha256: hexOf(facts.dockerfile.digest) },
        },
        request: defined({
          frontend: "dockerfile.v0",
          platform: facts.platform,
          target: facts.target,
          contexts: facts.sources,
          sourceDateEpoch: facts.epoch,
          network: facts.network,
          secrets: filled(facts.secrets.map((id) => ({ id }))),
          ssh: filled(facts.ssh.map((id) => ({ id }))),
          args: max ? prefixed(facts) : undefined,
        }),
      },
      internalParameters: {
        builderPlatform: facts.buildPlatform,
        ...(max ? { buildConfig: { stages: facts.stages } } : {}),
      },
      resolvedDependencies: sorted(facts.dependencies),
    },
    runDetails: {
      builder: { id: builderId ?? BUILDER, version: { nought: facts.version } },
      metadata: defined({
        nought_completeness: { request: max && !facts.dockerfile.redacted, resolvedDependencies: facts.closed },
        nought_reproducible: reproducible,
        nought_metadata: max ? metadata(facts) : undefined,
      }),
    },
  };
}

/** Names as BuildKit gives them. */
function prefixed({ args, labels }: BuildFacts): Readonly<Record<string, string>> | undefined {
  const pairs = [
    ...Object.entries(args).map(([name, value]) => [`build-arg:${name}`, value] as const),
    ...Object.entries(labels).map(([name, value]) => [`label:${name}`, value] as const),
  ];
  return pairs.length > 0 ? Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1))) : undefined;
}

function metadata({ dockerfile, layers }: BuildFacts): object {
  const { path, text, redacted } = dockerfile;
  return {
    source: {
      infos: [
        {
          filename: path,
          language: "Dockerfile",
          data: Buffer.from(text).toString("base64"),
          ...(redacted ? { redacted } : {}),
        },
      ],
    },
    layers: layers.map(({ diffId, createdBy, inherited }) => defined({ diffId, createdBy, inherited: inherited ? true : undefined })),
  };
}

/** Each once, in one order, whoever came first. */
function sorted(dependencies: readonly Dependency[]): readonly Dependency[] {
  const key = ({ uri, digest }: Dependency) => `${uri} ${JSON.stringify(digest ?? {})}`;
  const each = new Map(dependencies.map((one) => [key(one), one]));
  return [...each].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

function filled<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function defined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
