import type { Assembled } from "../image/assemble.ts";
import { Failure } from "../kit/error.ts";
import type { Pending } from "../kit/output.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { formatReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { Shelf } from "../shelf/shelf.ts";
import type { ContentStore } from "../store/face.ts";
import { nameImage, nameOwner } from "../store/name-image.ts";
import type { Task } from "../task/task.ts";
import type { Built } from "./built.ts";
import type { RemoteImages } from "./remote.ts";
import type { BuildRequest, OutputRequest } from "./request.ts";

export interface OutputTools {
  readonly store: ContentStore;
  readonly shelf: Shelf;
  readonly task: Task;
  readonly remote?: RemoteImages | undefined;
}

/**
 * Hands the image over: to the store under its names, or to what `-o` asks for. Without `-o` it is the store. Files appear, and names are
 * set, only when everything that was asked for is written; a folder and standard output cannot wait. Throws what its parts throw.
 */
export async function deliver(request: BuildRequest, assembled: Assembled, built: Built, tools: OutputTools): Promise<void> {
  await handOver(request, tools, (output, later) => one(output, request, assembled, built, tools, later), assembled.image.descriptor);
}

/**
 * All outputs of a request in their order, each written by `write`; then files appear, and then `root` is pushed where that was asked for.
 * After a failure no file appears.
 */
export async function handOver(
  request: BuildRequest,
  tools: OutputTools,
  write: (output: OutputRequest, later: (pending: Pending) => void) => Promise<void>,
  root: Descriptor,
): Promise<void> {
  const outputs: readonly OutputRequest[] =
    request.outputs.length > 0 ? request.outputs : [{ type: "image", names: [], force: false, directory: false }];
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
    for (const output of outputs) if (output.push !== undefined) await push(output, request, root, tools);
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
  { store, shelf, task }: OutputTools,
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
  if (output.push === "only") return void (await store.putMany([assembled.configBytes, assembled.manifestBytes]));
  if (output.type === "image" && output.compression === undefined && (await standsAlready(names, assembled, store, task))) {
    task.emit({ type: "status", id: EXPORT.image, text: `writing image ${assembled.image.configDescriptor.digest}` });
    for (const name of names) task.emit({ type: "status", id: EXPORT.image, text: `naming to ${formatReference(name)}` });
    return;
  }
  await store.putMany([assembled.configBytes, assembled.manifestBytes]);
  const root = await represented(output, assembled, { store, shelf, task });
  if (output.type === "image") await nameRoot(root, assembled.image.configDescriptor.digest, names, { store, shelf, task });
  else await writeImageFile(output, root, names, { store, shelf, task }, later);
}

/** Names an image of the store, or lists it without a name. `id` is what it is called when that is told. */
export async function nameRoot(root: Descriptor, id: Digest, names: readonly Reference[], { store, task }: OutputTools): Promise<void> {
  task.emit({ type: "status", id: EXPORT.image, text: `writing image ${id}` });
  if (names.length === 0) await store.keep(root);
  for (const name of names) {
    await nameImage(store, name, root, task);
    task.emit({ type: "status", id: EXPORT.image, text: `naming to ${formatReference(name)}` });
  }
}

/** Writes an image of the store for `-o type=oci` and `type=docker`: an archive, or a folder. Throws USAGE for a folder without a name. */
export async function writeImageFile(
  output: OutputRequest,
  root: Descriptor,
  names: readonly Reference[],
  { store, task }: OutputTools,
  later: (pending: Pending) => void,
): Promise<void> {
  const into =
    output.dest === undefined || output.dest === "-" ? { stream: process.stdout, signal: task.signal } : { file: output.dest, later };
  if (output.directory) {
    if (output.dest === undefined || output.dest === "-") throw new Failure("USAGE", "tar=false needs dest=DIR");
    const [{ createLayout, publishUnnamed }, { copyImage }] = await Promise.all([import("../place/layout.ts"), import("../place/copy.ts")]);
    const layout = await createLayout(output.dest);
    await copyImage(store, layout, root, task);
    if (names.length === 0) await publishUnnamed(layout, root);
    for (const name of names) await layout.publish(name, root, task);
    return;
  }
  const { saveArchive } = await import("../place/save.ts");
  await saveArchive(store, [{ root, names }], into, { format: output.type === "docker" ? "docker" : "oci" }, task);
}

/** The image to the registries that its names say. */
async function push(output: OutputRequest, request: BuildRequest, root: Descriptor, { task, remote }: OutputTools): Promise<void> {
  const names = [...request.names, ...output.names].map(withDefaultTag);
  if (names.length === 0) throw new Failure("USAGE", "tag is needed when pushing to registry", { hint: "Name the image with -t." });
  if (!remote) throw new Failure("UNSUPPORTED", "this build was started without access to registries");
  const { compression = "gzip", level, force } = output;
  if (compression === "uncompressed") throw new Failure("USAGE", "compression=uncompressed cannot be pushed: give gzip or zstd");
  const how = { compression, force, ...(level === undefined ? {} : { level }) };
  for (const name of names) {
    const step = { type: "step", id: `internal/push ${formatReference(name)}`, label: `pushing ${formatReference(name)}` } as const;
    task.emit({ ...step, state: "started" });
    const emit: Task["emit"] = (news) => task.emit(news.type === "bytes" ? { ...news, id: step.id } : news);
    const pushed = await remote.push(name, root, how, { signal: task.signal, emit });
    task.emit({ type: "status", id: step.id, text: `pushing manifest for ${formatReference(name)}@${pushed.digest}` });
    task.emit({ ...step, state: "done" });
  }
}

/** Whether every name points to this very image and all of it is there: then an unchanged build has nothing to write. */
async function standsAlready(names: readonly Reference[], { image }: Assembled, store: ContentStore, task: Task): Promise<boolean> {
  const parts = [image.descriptor, image.configDescriptor, ...image.layers.map((layer) => layer.blob)];
  if (names.length === 0 || parts.some((part) => store.sizeOf(part.digest) !== part.size)) return false;
  for (const name of names) if ((await nameOwner(store, name, task))?.digest !== image.descriptor.digest) return false;
  return true;
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
