import type { Assembled } from "../image/assemble.ts";
import { Failure } from "../kit/error.ts";
import type { Pending } from "../kit/output.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { formatReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { Shelf } from "../shelf/shelf.ts";
import { withDocuments } from "../store/documents.ts";
import { nameImage, nameOwner } from "../store/name-image.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import type { Attest, Attested } from "./attest.ts";
import type { Built } from "./built.ts";
import type { RemoteImages } from "./remote.ts";
import type { BuildRequest, OutputRequest } from "./request.ts";

export interface OutputTools {
  readonly store: OfferingStore;
  readonly shelf: Shelf;
  readonly task: Task;
  readonly remote?: RemoteImages | undefined;
  /** Says something of the image wherever it goes. */
  readonly attest?: Attest | undefined;
}

/** Without `-o` the image goes to the store. */
const STORE: readonly OutputRequest[] = [{ type: "image", names: [], force: false, directory: false }];

/** What a request wants to be written. */
const outputsOf = (request: BuildRequest) => (request.outputs.length > 0 ? request.outputs : STORE);

/** Whether every layer of the image has to be in the store: for its names there, or to be written to a file from there. */
export function keepsLayers(request: BuildRequest): boolean {
  return outputsOf(request).some(({ type, push }) => (type === "image" ? push !== "only" : type === "oci" || type === "docker"));
}

/**
 * Hands the image over: to the store under its names, or to what `-o` asks for. Without `-o` it is the store. Files appear, and names are
 * set, only when everything that was asked for is written; a folder and standard output cannot wait. The result is what a registry has it
 * by, where it was pushed. Throws what its parts throw.
 */
export async function deliver(
  request: BuildRequest,
  assembled: Assembled,
  built: Built,
  tools: OutputTools,
): Promise<Descriptor | undefined> {
  const { image, configBytes, manifestBytes } = assembled;
  const attested = tools.attest?.([{ platform: image.config, root: image.descriptor }], undefined);
  const what = { root: image.descriptor, documents: [configBytes, manifestBytes], attested };
  return handOver(request, tools, (output, later) => one(output, request, assembled, built, tools, later), what);
}

/** An image or index as it was made. */
export interface Made {
  readonly root: Descriptor;
  /** Its documents; the store has them only where it keeps the image. */
  readonly documents: readonly Uint8Array[];
  readonly attested?: Attested | undefined;
}

/**
 * All outputs of a request in their order, each written by `write`; then files appear, and then the image is pushed where that was asked
 * for. After a failure no file appears. The result is what a registry has it by.
 */
export async function handOver(
  request: BuildRequest,
  tools: OutputTools,
  write: (output: OutputRequest, later: (pending: Pending) => void) => Promise<void>,
  what: Made,
): Promise<Descriptor | undefined> {
  const outputs = outputsOf(request);
  const isImage = (output: OutputRequest) => output.type === "image";
  const pending: Pending[] = [];
  try {
    for (const output of [...outputs.filter((one) => !isImage(one)), ...outputs.filter(isImage)]) {
      if (tools.task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted before everything was written");
      const label = `exporting to ${LABELS[output.type]}`;
      tools.task.emit({ type: "step", id: EXPORT[output.type], label, state: "started" });
      await write(output, (file) => pending.push(file));
      tools.task.emit({ type: "step", id: EXPORT[output.type], label, state: "done" });
    }
    for (const file of pending) file.appear();
    let pushed: Descriptor | undefined;
    for (const output of outputs) if (output.push !== undefined) pushed = await push(output, request, what, tools);
    return pushed;
  } catch (error) {
    for (const file of pending) file.discard();
    throw error;
  }
}

/** Ids of the steps that write outputs. */
const EXPORT = {
  image: "internal/export/image",
  oci: "internal/export/oci",
  docker: "internal/export/docker",
  local: "internal/export/local",
  tar: "internal/export/tar",
} as const;

const LABELS = {
  image: "image",
  oci: "oci image format",
  docker: "docker image format",
  local: "client directory",
  tar: "client tarball",
} as const;

async function one(
  output: OutputRequest,
  request: BuildRequest,
  assembled: Assembled,
  built: Built,
  { store, shelf, task, attest }: OutputTools,
  later: (pending: Pending) => void,
): Promise<void> {
  const names = [...request.names, ...output.names].map(withDefaultTag);
  if (output.type === "local") {
    const { exportDirectory } = await import("../place/directory.ts");
    using walk = shelf.walk();
    await exportDirectory(await built.tree(), walk.files, output.dest ?? ".", task);
    return;
  }
  if (output.type === "tar") {
    const into =
      output.dest === undefined || output.dest === "-" ? { stream: process.stdout, signal: task.signal } : { file: output.dest, later };
    const [{ exportTar }, { writeOutput }] = await Promise.all([import("../tree/export.ts"), import("../kit/output.ts")]);
    using walk = shelf.walk();
    await writeOutput(into, async (sink) => exportTar(await built.tree(), walk.files, sink, task));
    return;
  }
  if (output.push === "only") return;
  const said = attest?.([{ platform: assembled.image.config, root: assembled.image.descriptor }], undefined);
  if (output.type === "image" && output.compression === undefined && (await standsAlready(names, assembled, said, store, task))) {
    task.emit({ type: "status", id: EXPORT.image, text: `writing image ${assembled.image.configDescriptor.digest}` });
    for (const name of names) task.emit({ type: "status", id: EXPORT.image, text: `naming to ${formatReference(name)}` });
    return;
  }
  await store.putMany([assembled.configBytes, assembled.manifestBytes]);
  const root = await represented(output, assembled, { store, shelf, task });
  const same = root.digest === assembled.image.descriptor.digest;
  const attested = same ? said : attest?.([{ platform: assembled.image.config, root }], undefined);
  if (output.type === "image") await nameRoot(root, assembled.image.configDescriptor.digest, names, { store, shelf, task }, attested);
  else await writeImageFile(output, root, names, { store, shelf, task }, later, attested);
}

/** Names an image of the store with what is said of it, or lists it without a name. `id` is what it is called when that is told. */
export async function nameRoot(
  image: Descriptor,
  id: Digest,
  names: readonly Reference[],
  { store, task }: OutputTools,
  attested?: Attested,
): Promise<void> {
  if (attested) await (await import("./attest.ts")).keepAttested(attested, store);
  const root = attested?.root ?? image;
  task.emit({ type: "status", id: EXPORT.image, text: `writing image ${id}` });
  if (names.length === 0) await store.keep(root);
  for (const name of names) {
    await nameImage(store, name, root, task);
    task.emit({ type: "status", id: EXPORT.image, text: `naming to ${formatReference(name)}` });
  }
}

/**
 * Writes an image of the store for `-o type=oci` and `type=docker`: an archive, or a folder. What refers to it is listed beside it without
 * a name; docker's own format has no place for that. Throws USAGE for a folder without a name.
 */
export async function writeImageFile(
  output: OutputRequest,
  image: Descriptor,
  names: readonly Reference[],
  { store: local, task }: OutputTools,
  later: (pending: Pending) => void,
  attested?: Attested,
): Promise<void> {
  const said = output.type === "docker" ? undefined : attested;
  const store = said ? (await import("./attest.ts")).withAttested(local, said) : local;
  const root = said?.root ?? image;
  const referrers = said?.referrers.map((one) => one.descriptor) ?? [];
  const into =
    output.dest === undefined || output.dest === "-" ? { stream: process.stdout, signal: task.signal } : { file: output.dest, later };
  if (output.directory) {
    if (output.dest === undefined || output.dest === "-") throw new Failure("USAGE", "tar=false needs dest=DIR");
    const [{ createLayout, publishUnnamed }, { copyImage }] = await Promise.all([import("../place/layout.ts"), import("../place/copy.ts")]);
    const layout = await createLayout(output.dest);
    for (const one of [root, ...referrers]) await copyImage(store, layout, one, task);
    if (names.length === 0) await publishUnnamed(layout, root);
    for (const name of names) await layout.publish(name, root, task);
    for (const one of referrers) await publishUnnamed(layout, one);
    return;
  }
  const { saveArchive } = await import("../place/save.ts");
  const beside = referrers.map((one) => ({ root: one, names: [] }));
  await saveArchive(store, [{ root, names }, ...beside], into, { format: output.type === "docker" ? "docker" : "oci" }, task);
}

/** What other builds said of the image is not this one's to publish. */
const withoutReferrers = (store: OfferingStore): OfferingStore => ({ ...store, referrers: async () => [] });

/** The image to the registries that its names say. Layers that a registry lacks go there from where they are. */
async function push(
  output: OutputRequest,
  request: BuildRequest,
  { root, documents, attested }: Made,
  { store, task, remote }: OutputTools,
): Promise<Descriptor | undefined> {
  const given = [...request.names, ...output.names].map(withDefaultTag);
  const names = output.byDigest ? untagged(given) : given;
  if (names.length === 0) throw new Failure("USAGE", "tag is needed when pushing to registry", { hint: "Name the image with -t." });
  if (!remote) throw new Failure("UNSUPPORTED", "this build was started without access to registries");
  const { compression = "gzip", level, force } = output;
  if (compression === "uncompressed") throw new Failure("USAGE", "compression=uncompressed cannot be pushed: give gzip or zstd");
  const how = { compression, force, ...(output.byDigest ? { byDigest: true } : {}), ...(level === undefined ? {} : { level }) };
  const desk = attested ? (await import("./attest.ts")).withAttested(store, attested) : withoutReferrers(withDocuments(store));
  await desk.putMany(documents);
  let pushed: Descriptor | undefined;
  for (const name of names) {
    const step = { type: "step", id: `internal/push ${formatReference(name)}`, label: `pushing ${formatReference(name)}` } as const;
    task.emit({ ...step, state: "started" });
    const emit: Task["emit"] = (news) => task.emit(news.type === "bytes" ? { ...news, id: step.id } : news);
    pushed = await remote.push(name, attested?.root ?? root, how, desk, { signal: task.signal, emit });
    task.emit({ type: "status", id: step.id, text: `pushing manifest for ${formatReference(name)}@${pushed.digest}` });
    task.emit({ ...step, state: "done" });
  }
  return pushed;
}

/** The repositories of names that say no other tag than the default one. BuildKit refuses other tags as well. */
function untagged(names: readonly Reference[]): readonly Reference[] {
  const tagged = names.find(({ tag }) => tag !== "latest");
  if (tagged) {
    throw new Failure("USAGE", `can't push tagged ref ${formatReference(tagged)} by digest`, { hint: "Name the repository alone." });
  }
  const bare = names.map(({ registry, repository }) => ({ registry, repository }));
  return [...new Map(bare.map((name) => [formatReference(name), name])).values()];
}

/** Whether every name points to this very image and all of it is there: then an unchanged build has nothing to write. */
async function standsAlready(
  names: readonly Reference[],
  { image }: Assembled,
  attested: Attested | undefined,
  store: OfferingStore,
  task: Task,
): Promise<boolean> {
  const parts = [image.descriptor, image.configDescriptor, ...image.layers.map((layer) => layer.blob)];
  if (names.length === 0 || parts.some((part) => store.sizeOf(part.digest) !== part.size)) return false;
  const root = attested?.root ?? image.descriptor;
  for (const name of names) if ((await nameOwner(store, name, task))?.digest !== root.digest) return false;
  return attested === undefined || (await import("./attest.ts")).isKept(attested, store);
}

/** The manifest with layers in the compression asked for; the store's own form where none is. */
export async function represented(output: OutputRequest, assembled: Assembled, { store, task }: OutputTools): Promise<Descriptor> {
  const wanted = output.compression ?? (output.type === "image" ? undefined : "gzip");
  if (wanted === undefined) return assembled.image.descriptor;
  const { representImage } = await import("../place/represent.ts");
  return representImage(
    store,
    assembled.image,
    { compression: wanted, force: output.force, ...(output.level === undefined ? {} : { level: output.level }) },
    task,
  );
}
