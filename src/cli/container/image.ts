import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isIndexType } from "../../oci/media-type.ts";
import { formatPlatform, hostPlatform, matchesPlatform, type Platform, parsePlatform } from "../../oci/platform.ts";
import { familiarName, SCRATCH_RESERVED, withDefaultTag } from "../../oci/reference.ts";
import type { Task } from "../../task/task.ts";
import { embeddedImage, tellOwner } from "../base/embedded.ts";
import { readCatalog, readName } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { isScratch } from "../scratch.ts";

/**
 * The image to run, by name or by the beginning of its ID. What is not there is told in docker's words. Throws RESERVED for `scratch`,
 * NOT_FOUND, DIGEST, and warns where the image is for another platform than this machine's.
 */
export async function findImage(call: Invocation, text: string, task: Task): Promise<Image> {
  const store = await call.store();
  const asked = call.flags.string("platform");
  const wanted = asked === undefined || asked === "" ? hostPlatform() : parsePlatform(asked);
  if (isScratch(text))
    throw new Failure("RESERVED", SCRATCH_RESERVED, {
      exit: 125,
      hint: "There is nothing to start: `FROM scratch` is where an image begins.",
    });
  const name = readName(text);
  const full = name && withDefaultTag(name);
  const pull = call.flags.string("pull") ?? "missing";
  const always = pull === "always" && full ? await pullToRun(call, text, asked) : undefined;
  let root =
    always ??
    (full && (await store.resolve(full, task))) ??
    (await byId(call, text)) ??
    (full && (await embeddedImage(call, full, wanted, task)));
  if (root === undefined) {
    const shown = name ? familiarName(withDefaultTag(name)) : printable(text);
    call.err(`Unable to find image '${shown}' locally\n`);
    if (!full || pull === "never") {
      throw new Failure("NOT_FOUND", `No such image: ${shown}`, {
        exit: 125,
        hint: "`nought images` shows what there is; bring an image with `nought pull`, `nought load`, `nought import` or `nought build`.",
      });
    }
    root = await pullToRun(call, text, asked);
  }
  const image = await openOrPull(call, text, root, wanted, pull, asked);
  if (full) await tellOwner(call, full, image);
  const { os, architecture, variant } = image.config;
  const has = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (!matchesPlatform(wanted, has))
    call.err(
      `WARNING: The requested image's platform (${formatPlatform(has)}) does not match the detected host platform (${formatPlatform(wanted)})\n`,
    );
  return image;
}

/** Pulls an image that is to be started, told on standard error as docker does. Failures have docker's exit code. */
async function pullToRun(call: Invocation, text: string, asked: string | undefined): Promise<Descriptor> {
  const { pullToStart } = await import("../registry/pull-to-start.ts");
  return pullToStart(call, text, asked === undefined || asked === "" ? undefined : parsePlatform(asked));
}

/** An index that was pulled for another platform lists more than the store has: the rest is pulled. */
async function openOrPull(
  call: Invocation,
  text: string,
  root: Descriptor,
  wanted: Platform,
  pull: string,
  asked: string | undefined,
): Promise<Image> {
  const store = await call.store();
  try {
    return await openImage(store, root, wanted);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "NOT_FOUND" || !isIndexType(root.mediaType) || pull === "never" || !readName(text))
      throw error;
    return openImage(store, await pullToRun(call, text, asked), wanted);
  }
}

async function byId(call: Invocation, text: string): Promise<Descriptor | undefined> {
  return (await readCatalog(await call.store())).find(text)?.image.root;
}
