import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { hostPlatform, type Platform } from "../../oci/platform.ts";
import { formatReference, parseNewName } from "../../oci/reference.ts";
import type { Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import type { Packing } from "../registry/push.ts";
import { admitImage } from "../sign/admit.ts";
import { choose, openSource, type Source } from "./source.ts";
import type { PlaceWord } from "./word.ts";

/** How to copy: one platform of an index, or all of it, and how plain layers are packed for a registry. */
export interface CopyHow {
  readonly platform?: Platform;
  readonly packing: Packing;
}

/**
 * Copies an image between any two places, as it is, byte for byte: blobs that are there are skipped or mounted, the rest streams through
 * without touching a disk. Only plain layers of the store and of docker archives are packed on their way to a registry, and docker's
 * manifests become the OCI's in layouts and archives. The result is the manifest or index that the target has. Throws what places throw;
 * the target's name is set last.
 */
export async function copyBetween(call: Invocation, from: PlaceWord, to: PlaceWord, how: CopyHow, task: Task): Promise<Descriptor> {
  await using source = await openSource(call, from, task);
  // Docker's own archive knows one platform.
  const platform = to.kind === "docker-archive" ? (how.platform ?? hostPlatform()) : how.platform;
  const { name, place } = source;
  if (name && place) await admitImage({ place, name, root: source.root, platform }, call.env, task);
  const root = await choose(source, platform);
  switch (to.kind) {
    case "registry":
      // Awaited here: the source is closed when this function ends.
      return await toRegistry(call, source, root, to, how, task);
    case "store": {
      const [{ copyImage }, { nameImage }] = await Promise.all([import("../../place/copy.ts"), import("../../store/name-image.ts")]);
      const name = parseNewName(to.text);
      const store = await call.store();
      if (source.from !== store) await copyImage(source.from, store, root, task);
      await nameImage(store, name, root, task);
      return root;
    }
    case "layout": {
      const [{ createLayout, publishAs, publishUnnamed }, { copyImage }] = await Promise.all([
        import("../../place/layout.ts"),
        import("../../place/copy.ts"),
      ]);
      const layout = await createLayout(to.path);
      const oci = await (await import("../../place/as-oci.ts")).asOci(source.from, root, task);
      await copyImage(oci.from, layout, oci.root, task);
      if (to.ref === undefined) await publishUnnamed(layout, oci.root);
      else await publishAs(layout, oci.root, to.ref);
      return oci.root;
    }
    case "dir": {
      const [{ createImageDir }, { copyImage }] = await Promise.all([import("../../place/dir.ts"), import("../../place/copy.ts")]);
      const dir = await createImageDir(to.path);
      await copyImage(source.from, dir, root, task);
      await dir.publish(root);
      return root;
    }
    case "oci-archive":
    case "docker-archive": {
      const { saveArchive } = await import("../../place/save.ts");
      const [names, ref] = to.kind === "docker-archive" ? [to.name ? [to.name] : [], undefined] : [[], to.ref];
      const oci = await (await import("../../place/as-oci.ts")).asOci(source.from, root, task);
      const image = { root: oci.root, names, ...(ref === undefined ? {} : { ref }) };
      await saveArchive(oci.from, [image], { file: to.path }, { format: to.kind === "oci-archive" ? "oci" : "docker" }, task);
      return oci.root;
    }
  }
}

async function toRegistry(
  call: Invocation,
  source: Source,
  root: Descriptor,
  { name }: PlaceWord & { readonly kind: "registry" },
  how: CopyHow,
  task: Task,
): Promise<Descriptor> {
  const { surroundings } = await import("../../registry/surroundings.ts");
  const around = surroundings(call.env, task);
  if (name.digest !== undefined && name.digest !== root.digest)
    throw new Failure("USAGE", `${formatReference(name)}: the image that is copied has the digest ${root.digest}`);
  if (source.stored) {
    const { pushImage } = await import("../registry/push.ts");
    return (await pushImage(name, root, how.packing, await call.store(), around, task)).root;
  }
  const [{ openRepository }, { copyImage }] = await Promise.all([import("../../registry/repository.ts"), import("../../place/copy.ts")]);
  const near = source.name?.registry === name.registry && source.name.repository !== name.repository ? source.name.repository : undefined;
  await using place = await openRepository(name, { ...around, access: "push", ...(near ? { mountFrom: () => near } : {}) }, task);
  if (!(await place.has(root.digest, root.mediaType))) await copyImage(source.from, place, root, task);
  await place.publish(name, root, task);
  return root;
}
