import { Failure } from "../kit/error.ts";
import type { Pending } from "../kit/output.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Platform } from "../oci/platform.ts";
import { withDefaultTag } from "../oci/reference.ts";
import { handOver, keepsLayers, nameRoot, type OutputTools, represented, writeImageFile } from "./output.ts";
import { indexOver, type PlatformBuilt } from "./platforms.ts";
import type { BuildRequest, OutputRequest } from "./request.ts";

/** Refuses outputs that can hold one image only, before anything is built. Throws UNSUPPORTED in BuildKit's words. */
export function refuseOutputs(request: BuildRequest): void {
  if (request.outputs.some((output) => output.type === "docker"))
    throw new Failure("UNSUPPORTED", "docker exporter does not currently support exporting manifest lists", {
      hint: "Build one platform at a time for `docker load`, or use type=oci, which holds them all.",
    });
}

/** An index as the store has it, and what a registry has it by, where it was pushed: its layers are packed then. */
export interface BuiltIndex {
  readonly root: Descriptor;
  readonly pushed: Descriptor | undefined;
}

/**
 * Hands over the images of several platforms: as one index, or for files a folder for each (`linux_arm64`), as buildx does. Throws as
 * deliver does. The result is the index over the images as they are in the store; where they are in a registry only, as they are there.
 */
export async function deliverPlatforms(request: BuildRequest, made: readonly PlatformBuilt[], tools: OutputTools): Promise<BuiltIndex> {
  const { store } = tools;
  const plain = indexOver(made.map(({ platform, assembled }) => ({ platform, root: assembled.image.descriptor })));
  const documents = [...made.flatMap(({ assembled }) => [assembled.configBytes, assembled.manifestBytes]), plain.bytes];
  if (keepsLayers(request)) await store.putMany(documents);
  const attested = tools.attest?.(
    made.map(({ platform, assembled }) => ({ platform, root: assembled.image.descriptor })),
    plain.descriptor,
  );
  const what = { root: plain.descriptor, documents, attested };
  const pushed = await handOver(request, tools, (output, later) => one(output, request, made, plain.descriptor, tools, later), what);
  const root = attested?.root ?? plain.descriptor;
  return { root: keepsLayers(request) ? root : (pushed ?? root), pushed };
}

async function one(
  output: OutputRequest,
  request: BuildRequest,
  made: readonly PlatformBuilt[],
  plain: Descriptor,
  tools: OutputTools,
  later: (pending: Pending) => void,
): Promise<void> {
  const { store, shelf, task } = tools;
  if (output.type === "local") {
    const { exportDirectory } = await import("../place/directory.ts");
    using walk = shelf.walk();
    for (const { platform, built } of made)
      await exportDirectory(await built.tree(), walk.files, `${output.dest ?? "."}/${folderOf(platform)}`, task);
    return;
  }
  if (output.type === "tar") {
    const [{ exportTrees }, { writeOutput }] = await Promise.all([import("../tree/export.ts"), import("../kit/output.ts")]);
    const into =
      output.dest === undefined || output.dest === "-" ? { stream: process.stdout, signal: task.signal } : { file: output.dest, later };
    using walk = shelf.walk();
    const trees = await Promise.all(made.map(async ({ platform, built }) => ({ folder: folderOf(platform), tree: await built.tree() })));
    await writeOutput(into, (sink) => exportTrees(trees, walk.files, sink, task));
    return;
  }
  if (output.push === "only") return;
  const roots: { platform: Platform; root: Descriptor }[] = [];
  for (const { platform, assembled } of made) roots.push({ platform, root: await represented(output, assembled, tools) });
  const changed = roots.some(({ root }, at) => root.digest !== made[at]?.assembled.image.descriptor.digest);
  const { bytes, descriptor: root } = changed ? indexOver(roots) : { bytes: undefined, descriptor: plain };
  if (bytes) await store.put(bytes);
  const names = [...request.names, ...output.names].map(withDefaultTag);
  const attested = tools.attest?.(roots, root);
  if (output.type === "image") await nameRoot(root, (attested?.root ?? root).digest, names, tools, attested);
  else await writeImageFile(output, root, names, tools, later, attested);
}

/** buildx's name for a platform's folder: `linux_arm64`, `linux_arm_v7`. */
function folderOf({ os, architecture, variant }: Platform): string {
  const name = [os, architecture, ...(variant === undefined ? [] : [variant])].join("_");
  return name.replaceAll(/[^A-Za-z0-9_.-]/g, "_").replace(/^\.+/, "_");
}
