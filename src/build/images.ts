import type { Image } from "../image/layer.ts";
import { openImage } from "../image/open.ts";
import { Failure } from "../kit/error.ts";
import { parseDigest } from "../oci/digest.ts";
import { formatPlatform, matchesPlatform, type Platform } from "../oci/platform.ts";
import { DEFAULT_REGISTRY, formatReference, parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import type { FindImage } from "./plan/plan.ts";
import type { NamedContext } from "./request.ts";

/** Finds base images in the local store and in OCI layouts named by `--build-context`. */
export function localImages(store: ContentStore, task: Task): FindImage {
  return {
    async image(name, platform, context) {
      if (context?.kind === "layout")
        return { image: await fromLayout(context, platform, store, task), name: `oci-layout://${context.path}` };
      const reference = withDefaultTag(context?.kind === "image" ? context.name : named(name));
      const root = await store.resolve(reference, task);
      if (root === undefined) throw absent(reference);
      const image = await openImage(store, root, platform);
      warnPlatform(image, platform, reference, task);
      return { image, name: formatReference(reference) };
    },
  };
}

function named(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof Failure && error.code === "RESERVED") {
      throw new Failure("RESERVED", error.message, {
        hint: "`FROM scratch`, without a tag, starts from nothing; nothing can be copied from it.",
      });
    }
    throw error;
  }
}

function absent(reference: Reference): Failure {
  return new Failure("NOT_FOUND", `${formatReference(reference)}: not found in the local store`, {
    hint:
      `nought does not pull from registries yet. Bring the image with \`nought load\`, or name another source: ` +
      `--build-context ${reference.registry === DEFAULT_REGISTRY ? reference.repository.replace(/^library\//, "") : formatReference(reference)}=oci-layout://DIR`,
  });
}

function warnPlatform(image: Image, wanted: Platform, reference: Reference, task: Task): void {
  const { os, architecture, variant } = image.config;
  const has = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (matchesPlatform(wanted, has)) return;
  task.emit({ type: "note", text: `image ${formatReference(reference)} is for ${formatPlatform(has)}, not for ${formatPlatform(wanted)}` });
}

/** Takes the image over into the store: what is built on it must have its layers at hand. */
async function fromLayout(
  context: NamedContext & { readonly kind: "layout" },
  platform: Platform,
  store: ContentStore,
  task: Task,
): Promise<Image> {
  const [{ openLayout }, { copyImage }] = await Promise.all([import("../place/layout.ts"), import("../place/copy.ts")]);
  const layout = await openLayout(context.path);
  const found = await layout.find({
    ...(context.digest === undefined ? {} : { digest: parseDigest(context.digest) }),
    ...(context.tag === undefined ? {} : { tag: context.tag }),
  });
  await copyImage(layout, store, found, task);
  return openImage(store, found, platform);
}
