import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { withCaches } from "../../build/caches.ts";
import type { BuildRequest } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { formatReference } from "../../oci/reference.ts";
import { createTask } from "../../task/task.ts";
import { acceptedFlags } from "../build/accepted.ts";
import { attestNotes } from "../build/attest.ts";
import { readCaches } from "../build/caches.ts";
import { enterForRun } from "../build/enter.ts";
import { readRequest } from "../build/request.ts";
import type { Invocation } from "../command.ts";
import { remoteImages } from "../registry/remote.ts";
import { createRenderer, progressMode } from "../render/progress.ts";

/** `nought build`: reads the command line, builds, and writes what was asked for beside the image. */
export async function run(call: Invocation): Promise<number> {
  const { flags } = call;
  // A picture that is drawn over and over would be in the way of a shell.
  const progress = lookIntoFailures(call) ? "plain" : flags.string("progress");
  const mode = flags.bool("quiet")
    ? "quiet"
    : progressMode(flags.given("progress") || lookIntoFailures(call) ? progress : undefined, call.env);
  const asked = flags.bool("check") ? "check" : (flags.string("call") ?? "build");
  const notes = acceptedFlags(flags);
  const iidfile = flags.string("iidfile");
  // A stale ID of an earlier build must not look like this one's.
  if (iidfile) rmSync(iidfile, { force: true });
  const early = await enterForRun(call);
  const request = await readRequest(call);
  const caches = readCaches(call);
  const refused = early ?? (await enterForRun(call, request));
  const renderer = await createRenderer(mode, call.env);
  const task = createTask(renderer.listener, call.signal);
  for (const text of [...notes, ...attestNotes(flags, request)]) task.emit({ type: "note", text });
  if (refused !== undefined) task.emit({ type: "note", text: `RUN steps that are not in the cache cannot be performed: ${refused}` });
  try {
    if (asked !== "build" || flags.given("print")) {
      const { answer } = await import("../build/answer.ts");
      const code = await answer(call, request, asked, renderer);
      renderer.finish();
      return code;
    }
    const store = await call.store();
    const { build } = await import("../../build/build.ts");
    const hooks = lookIntoFailures(call) ? { lookInto: (await import("../build/look-into.ts")).lookInto(call, store, task) } : {};
    await using remote = remoteImages(call);
    const given = { ...hooks, remote, caches };
    const { platforms } = request;
    if (platforms) {
      const { buildPlatforms } = await import("../../build/platforms.ts");
      const { root, pushed } = await withCaches(caches, task, () => buildPlatforms(request, platforms, store, task, given));
      renderer.finish();
      // An index has no configuration: its own digest is its ID then, as with buildx.
      report(call, request, pushed ?? root, root.digest, false);
      return 0;
    }
    const { assembled, root, pushed } = await withCaches(caches, task, () => build(request, store, task, given));
    const { image } = assembled;
    renderer.finish();
    report(call, request, pushed ?? root, image.configDescriptor.digest);
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) {
      renderer.finish();
      throw error;
    }
    renderer.finish(error);
    if (renderer.tellsFailure) return error.exit;
    throw error;
  }
}

function lookIntoFailures({ flags }: Invocation): boolean {
  return flags.bool("debug-on-failure") || flags.bool("debug");
}

/** Tells what was built: the image by its ID, its manifest as a registry has it where it was pushed, else as the store does. */
function report(call: Invocation, request: BuildRequest, manifest: Descriptor, id: Digest, isConfig = true): void {
  const { flags } = call;
  writeFile(flags.string("iidfile"), id);
  writeFile(flags.string("digest-file"), manifest.digest);
  const names = [...request.names, ...request.outputs.flatMap((one) => one.names)].map(formatReference);
  const metadata = {
    ...(isConfig ? { "containerimage.config.digest": id } : {}),
    "containerimage.descriptor": { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size },
    "containerimage.digest": manifest.digest,
    ...(names.length > 0 ? { "image.name": names.join(",") } : {}),
  };
  writeFile(flags.string("metadata-file"), `${JSON.stringify(metadata, null, 2)}\n`);
  if (flags.bool("quiet")) call.out(`${id}\n`);
}

/** Writes a small file whole or not at all. Throws STORAGE, NO_SPACE. */
function writeFile(name: string | undefined, text: string): void {
  if (!name) return;
  const path = resolve(name);
  const temporary = join(dirname(path), `.nought-${process.pid}.tmp`);
  try {
    writeFileSync(temporary, text, { flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw storageFailure(error, "could not write", printable(path));
  }
}
