import { createReadStream } from "node:fs";
import { relative } from "node:path";
import type { BuildFacts, Dependency, LayerFacts, SourceFacts, StageFacts } from "../attest/provenance.ts";
import { imagePurl } from "../attest/purl.ts";
import { safeText, safeUrl } from "../attest/redact.ts";
import { isSecretName } from "../dockerfile/rules/secrets-used-in-arg-or-env.ts";
import type { Assembled } from "../image/assemble.ts";
import { type Digest, digestOf, hasher, hexOf } from "../oci/digest.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import { parseReference } from "../oci/reference.ts";
import type { Shelf } from "../shelf/shelf.ts";
import { packagesOf } from "./base-packages.ts";
import type { BuildGraph, InputRef, StagePlan } from "./graph.ts";
import { MADE_BY } from "./images.ts";
import type { Inlet } from "./inlet.ts";
import type { BuildRequest, ContextSource, NamedContext } from "./request.ts";
import type { Fetched } from "./workshop.ts";

/** What one platform's build leaves to tell of. */
export interface FactsSource {
  readonly platform: Platform;
  readonly buildPlatform: Platform;
  readonly graph: BuildGraph;
  readonly assembled: Assembled;
  readonly inlet: Inlet;
  /** What ADD fetched. */
  readonly fetched: readonly Fetched[];
  /** What names of images stood for (images.ts). */
  readonly roots: ReadonlyMap<string, Digest>;
  /** Reads the books of images that nought made. */
  readonly shelf: Shelf;
}

/** Arguments that say how this machine reaches the network, not what is built; they often hold passwords. */
const PROXIES = /^(?:https?|ftp|all|no)_proxy$/i;
const HIDDEN = "xxxxx";

/**
 * What a build did, as provenance tells it: no secret, no password of a URL, no path of this machine. Arguments whose names say that they
 * are secret are named without their values, which are hidden wherever else they stand.
 */
export async function factsOf(request: BuildRequest, source: FactsSource, version: string): Promise<BuildFacts> {
  const { graph, inlet, assembled, platform, buildPlatform } = source;
  const secrets = Object.entries(request.buildArgs).flatMap(([name, value]) => (isSecretName(name) ? [value] : []));
  const safe = (text: string) => safeText(text, secrets);
  const text = Buffer.from(inlet.dockerfile).toString("utf8");
  const stages = [...graph.stages.values()].sort((a, b) => a.index - b.index);
  const sources = await sourcesOf(request, inlet);
  return {
    version,
    dockerfile: { path: pathOf(request, inlet), digest: digestOf(inlet.dockerfile), text: safe(text), redacted: safe(text) !== text },
    sources,
    platform: formatPlatform(platform),
    buildPlatform: formatPlatform(buildPlatform),
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(request.sourceDateEpoch === undefined ? {} : { epoch: request.sourceDateEpoch }),
    ...(request.network === undefined ? {} : { network: request.network }),
    secrets: request.secrets.map(idOf),
    ssh: request.ssh.map((one) => one.split("=")[0] as string),
    args: Object.fromEntries(
      Object.entries(request.buildArgs)
        .filter(([name]) => !PROXIES.test(name))
        .map(([name, value]) => [name, isSecretName(name) ? HIDDEN : safe(value)]),
    ),
    labels: Object.fromEntries(Object.entries(request.labels).map(([name, value]) => [name, safe(value)])),
    dependencies: [
      ...stages.flatMap((stage) => imagesOf(stage, source.roots)),
      ...sources.flatMap(({ uri, digest }) => (uri !== undefined && digest !== undefined ? [{ uri, digest }] : [])),
      ...(await Promise.all(source.fetched.map(dependencyOf))),
      ...(await packagesIn(stages, source.shelf)),
    ],
    stages: stages.map((stage) => stageFacts(stage, graph, safe)),
    layers: layersOf(graph, assembled, safe),
    closed: stages.every((stage) => isClosed(stage, request)),
  };
}

/** The Dockerfile's path in its context; outside of one its name alone, because the rest is this machine's. */
function pathOf({ context, dockerfile }: BuildRequest, inlet: Inlet): string {
  if (dockerfile.kind === "inside") return dockerfile.path;
  const inside = dockerfile.kind === "path" && context.kind === "dir" ? relative(context.path, dockerfile.path) : "..";
  return inside.startsWith("..") || inside === "" ? inlet.name : inside;
}

/** The id of a `--secret`: one field of a CSV line. */
function idOf(text: string): string {
  const field = text.split(",").find((one) => /^\s*"?id=/i.test(one)) ?? "";
  return field.replace(/^\s*"?id=/i, "").replace(/"$/, "");
}

async function sourcesOf(request: BuildRequest, inlet: Inlet): Promise<SourceFacts[]> {
  const told = async (name: string, from: ContextSource | NamedContext): Promise<SourceFacts> => {
    if (from.kind === "git") return { name, kind: "git", ...(await gitFacts(from.url, inlet.commits.get(from.url), "context")) };
    if (from.kind === "tar" && "url" in from && from.url !== undefined)
      return { name, kind: "tar", uri: safeUrl(from.url), digest: { sha256: hexOf(await digestOfFile(from.path)) } };
    if (from.kind === "image") return { name, kind: "image", uri: imagePurl(from.name, request.platform) };
    if (from.kind === "layout") return { name, kind: "oci-layout" };
    return { name, kind: from.kind === "dir" ? "local" : from.kind };
  };
  const found = [await told("context", request.context)];
  for (const [name, context] of Object.entries(request.contexts).sort(([a], [b]) => (a < b ? -1 : 1)))
    found.push(await told(name, context));
  return found;
}

/** The sum of an archive that was fetched. */
async function digestOfFile(path: string): Promise<Digest> {
  const hash = hasher();
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest();
}

async function gitFacts(
  url: string,
  commit: string | undefined,
  as: "context" | "add",
): Promise<{ readonly uri: string; readonly digest?: NonNullable<Dependency["digest"]> }> {
  const { parseGitUrl } = await import("../net/git-url.ts");
  const source = parseGitUrl(url, as);
  if (!source) return { uri: safeUrl(url) };
  const { scheme, name, remote, ref = "", subdir } = source;
  const fragment = `${ref}${subdir === undefined ? "" : `:${subdir}`}`;
  // Where a repository lies on this machine is nobody's business.
  const uri = `${scheme === "file" ? `file:${name}` : safeUrl(remote)}${fragment === "" ? "" : `#${fragment}`}`;
  if (commit === undefined) return { uri };
  // in-toto calls it gitCommit; BuildKit and older readers know sha1.
  return { uri, digest: { gitCommit: commit, ...(commit.length === 40 ? { sha1: commit } : {}) } };
}

async function dependencyOf(one: Fetched): Promise<Dependency> {
  if ("commit" in one) {
    return gitFacts(one.url, one.commit, "add");
  }
  return { uri: safeUrl(one.url), digest: { sha256: hexOf(one.digest) } };
}

/**
 * The images that a stage starts from and takes files from: by what their names stood for, which is what one would pin, and where that was
 * an index by the manifest that was chosen too.
 */
function imagesOf(stage: StagePlan, roots: ReadonlyMap<string, Digest>): Dependency[] {
  const found: Dependency[] = [];
  const add = (from: { readonly name: string; readonly image: Assembled["image"] }) => {
    const manifest = from.image.descriptor.digest;
    const root = roots.get(`${from.name}@${manifest}`) ?? manifest;
    const sha256 = hexOf(root);
    const layout = /^oci-layout:\/\/(?:.*\/)?([^/]*)$/.exec(from.name)?.[1];
    const { os, architecture, variant } = from.image.config;
    const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    const uri =
      layout === undefined ? imagePurl(parseReference(from.name), platform) : `pkg:oci/${encodeURIComponent(layout)}@sha256:${sha256}`;
    const made = from.image.annotations?.[MADE_BY];
    const annotations = { ...(root === manifest ? {} : { manifest }), ...(made === undefined ? {} : { [MADE_BY]: made }) };
    found.push({ uri, digest: { sha256 }, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) });
  };
  if (stage.base.kind === "image") add(stage.base);
  for (const input of inputsOf(stage)) if (input.from === "image") add(input);
  return found;
}

/** The Debian packages of all images that nought made, once each. */
async function packagesIn(stages: readonly StagePlan[], shelf: Shelf): Promise<Dependency[]> {
  const images = new Map<Digest, Assembled["image"]>();
  for (const stage of stages) {
    if (stage.base.kind === "image") images.set(stage.base.image.descriptor.digest, stage.base.image);
    for (const input of inputsOf(stage)) if (input.from === "image") images.set(input.image.descriptor.digest, input.image);
  }
  const found: Dependency[] = [];
  for (const image of images.values()) found.push(...(await packagesOf(image, shelf)));
  return found;
}

function inputsOf(stage: StagePlan): readonly InputRef[] {
  return stage.steps.flatMap(({ op }) =>
    op.kind === "run" ? op.inputs : op.actions.flatMap((action) => (action.do === "copy" ? [action.input] : [])),
  );
}

function stageFacts(stage: StagePlan, graph: BuildGraph, safe: (text: string) => string): StageFacts {
  const { base } = stage;
  return {
    name: stage.name,
    platform: formatPlatform(stage.platform),
    base: base.kind === "stage" ? (graph.stages.get(base.index)?.name ?? "") : base.kind === "image" ? shownName(base.name) : "scratch",
    steps: stage.steps.map(({ label, span, op }) => ({
      name: safe(label),
      line: span.line,
      endLine: span.endLine,
      ...(op.kind === "run" ? { args: op.args.map(safe), network: op.network } : {}),
    })),
  };
}

/** A layout's path is this machine's. */
function shownName(name: string): string {
  return name.replace(/^(oci-layout:\/\/).*\//, "$1");
}

function layersOf(graph: BuildGraph, { image }: Assembled, safe: (text: string) => string): LayerFacts[] {
  const stage = graph.stages.get(graph.target);
  const inherited = stage?.history.slice(0, stage.inherited).filter((one) => !one.empty_layer).length ?? 0;
  const lines = image.config.history.filter((one) => !one.empty_layer);
  return image.layers.map(({ diffId }, at) => {
    const createdBy = lines.length === image.layers.length ? lines[at]?.created_by : undefined;
    return { diffId, ...(createdBy === undefined ? {} : { createdBy: safe(createdBy) }), inherited: at < inherited };
  });
}

/** Whether all that a stage could get at is among the dependencies: no local files, no network, nothing mounted that has no digest. */
function isClosed(stage: StagePlan, request: BuildRequest): boolean {
  const local = (from: ContextSource | NamedContext) => from.kind === "dir" || (from.kind === "tar" && !("url" in from));
  const inputs = inputsOf(stage);
  if (inputs.some((one) => (one.from === "context" && local(request.context)) || (one.from === "named" && local(one.context))))
    return false;
  return stage.steps.every(
    ({ op }) => op.kind !== "run" || (op.network === "none" && op.mounts.every((one) => one.type === "bind" || one.type === "tmpfs")),
  );
}
