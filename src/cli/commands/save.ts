import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Compression } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import { hostPlatform, parsePlatform } from "../../oci/platform.ts";
import { familiarRepository, type Reference } from "../../oci/reference.ts";
import type { ContentStore } from "../../store/face.ts";
import { createTask, type Task } from "../../task/task.ts";
import { type Catalog, noSuchImage, readCatalog, readImage, readName } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { presentPart } from "../registry/push.ts";
import { barsFor } from "../render/bars.ts";

const FORMATS = ["docker-archive", "oci-archive", "oci-dir"] as const;

/** An image to save, under the names it was asked for by. */
interface Chosen {
  root: Descriptor;
  readonly names: Reference[];
}

/** `nought save`: images into one archive, or a folder in OCI layout. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const format = FORMATS.find((one) => one === flags.string("format"));
  if (!format) throw new Failure("USAGE", `format "${printable(flags.string("format") ?? "")}" is none of ${FORMATS.join(", ")}`);
  const output = flags.string("output");
  if (format === "oci-dir" && (output === undefined || output === "-")) throw new Failure("USAGE", "--format oci-dir needs -o FOLDER");
  const toStdout = output === undefined || output === "-";
  if (toStdout && isTerminal(1)) throw new Failure("USAGE", "cowardly refusing to save to a terminal. Use the -o flag or redirect");
  const compression = readCompression(flags.string("compression"));
  const level = flags.int("compression-level");
  if (level !== undefined && compression === undefined) throw new Failure("USAGE", "--compression-level needs --compression");
  const bars = barsFor(call.env, false);
  const task = createTask(bars.listener, call.signal);
  const store = await call.store();
  try {
    const images = choose(await readCatalog(store), call.args);
    const platform = flags.string("platform");
    for (const image of images) {
      if (platform !== undefined) image.root = readImage(store, image.root, parsePlatform(platform)).manifest;
      if (compression !== undefined)
        image.root = await compressed(store, image.root, { compression, ...(level === undefined ? {} : { level }) }, platform, task);
      await store.hold(image.root);
    }
    // A folder is for others to copy from: it has all that its index lists. An archive may have less, as docker's.
    if (format === "oci-dir") for (const image of images) image.root = await presentPart(store, image.root, task);
    const from = await inOci(store, images, task);
    if (format === "oci-dir") await saveFolder(from, images, output as string, task);
    else {
      const { saveArchive } = await import("../../place/save.ts");
      const into = toStdout ? { stream: process.stdout, signal: call.signal } : { file: output };
      await saveArchive(from, images, into, { format: format === "oci-archive" ? "oci" : "docker" }, task);
    }
  } finally {
    bars.finish();
  }
}

function readCompression(text: string | undefined): Compression | undefined {
  if (text === undefined || text === "uncompressed" || text === "gzip" || text === "zstd") return text;
  throw new Failure("USAGE", `compression "${printable(text)}" is none of uncompressed, gzip, zstd`);
}

/** The images that the words name; a repository without a tag stands for all its tags, as with docker. */
function choose(catalog: Catalog, words: readonly string[]): readonly Chosen[] {
  const chosen = new Map<string, Chosen>();
  const add = (root: Descriptor, name: Reference | undefined) => {
    const one = chosen.get(root.digest) ?? { root, names: [] };
    if (name && !one.names.includes(name)) one.names.push(name);
    chosen.set(root.digest, one);
  };
  for (const word of words) {
    const name = readName(word);
    const bare = name && name.tag === undefined && name.digest === undefined ? familiarRepository(name) : undefined;
    const tagged = catalog.images.flatMap((image) =>
      image.names.filter((one) => familiarRepository(one.name) === bare).map((one) => ({ image, name: one.name })),
    );
    for (const one of tagged) add(one.image.root, one.name);
    if (tagged.length > 0) continue;
    const found = catalog.find(word);
    if (!found) throw noSuchImage(word);
    add(found.image.root, found.name?.name);
  }
  return [...chosen.values()];
}

/** The same image with its layers in another compression. An index becomes the manifest of one platform. */
async function compressed(
  store: ContentStore,
  root: Descriptor,
  how: { readonly compression: Compression; readonly level?: number },
  platform: string | undefined,
  task: Task,
): Promise<Descriptor> {
  const { representImage } = await import("../../place/represent.ts");
  const image: Image = await openImage(store, root, platform === undefined ? hostPlatform() : parsePlatform(platform));
  return representImage(store, image, { ...how, force: true }, task);
}

/** What was pulled with docker's media types is saved with the OCI's, which alone everybody reads in a layout; the image ID stays. */
async function inOci(store: ContentStore, images: readonly Chosen[], task: Task): Promise<BytesReader> {
  const { asOci } = await import("../../place/as-oci.ts");
  let from: BytesReader = store;
  for (const image of images) {
    const oci = await asOci(from, image.root, task, true);
    from = oci.from;
    image.root = oci.root;
  }
  return from;
}

async function saveFolder(from: BytesReader, images: readonly Chosen[], folder: string, task: Task): Promise<void> {
  const [{ createLayout, publishUnnamed }, { copyImage }] = await Promise.all([
    import("../../place/layout.ts"),
    import("../../place/copy.ts"),
  ]);
  const layout = await createLayout(folder);
  for (const { root, names } of images) {
    await copyImage(from, layout, root, task);
    if (names.length === 0) await publishUnnamed(layout, root);
    for (const name of names) await layout.publish(name, root, task);
  }
}
