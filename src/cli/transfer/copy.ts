import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { hostPlatform, type Platform } from "../../oci/platform.ts";
import { formatReference, parseNewName, type Reference } from "../../oci/reference.ts";
import type { Surroundings } from "../../registry/surroundings.ts";
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
  /** What refers to the image goes along: attestations, signatures. */
  readonly referrers?: boolean;
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
  // The store keeps an index of which only a part came, and so may a registry.
  const keepsWhole = to.kind === "registry" || (to.kind === "store" && source.stored);
  const root = keepsWhole && platform === undefined && source.whole ? source.whole : await choose(source, platform);
  if (source.whole && !keepsWhole) {
    const { presentPart } = await import("../registry/push.ts");
    // Says that only a part is here.
    await presentPart(await call.store(), source.whole, task);
  }
  switch (to.kind) {
    case "registry":
      // Awaited here: the source is closed when this function ends.
      return await toRegistry(call, source, root, to, how, task);
    case "store": {
      const [{ copyImage }, { nameImage }] = await Promise.all([import("../../place/copy.ts"), import("../../store/name-image.ts")]);
      const name = parseNewName(to.text);
      const store = await call.store();
      if (source.from !== store) await copyImage(source.from, store, root, task);
      if (how.referrers && source.from !== store) await (await along()).alongToStore(source, store, root, task);
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
      const list = how.referrers ? await (await along()).alongToLayout(source, layout, oci.root, task) : async () => {};
      if (to.ref === undefined) await publishUnnamed(layout, oci.root);
      else await publishAs(layout, oci.root, to.ref);
      await list();
      return oci.root;
    }
    case "dir": {
      const [{ createImageDir }, { copyImage }] = await Promise.all([import("../../place/dir.ts"), import("../../place/copy.ts")]);
      if (how.referrers) refuseReferrers(to.kind);
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
      if (how.referrers && to.kind === "docker-archive") refuseReferrers(to.kind);
      const beside = how.referrers ? await (await along()).alongInArchive(source, oci.root) : [];
      await saveArchive(
        oci.from,
        [image, ...beside.map((one) => ({ root: one, names: [] }))],
        { file: to.path },
        { format: to.kind === "oci-archive" ? "oci" : "docker" },
        task,
      );
      return oci.root;
    }
  }
}

const along = () => import("./along.ts");

function refuseReferrers(kind: string): never {
  throw new Failure("UNSUPPORTED", `--referrers: ${kind}: has no place for what refers to an image`, {
    hint: "An OCI layout (oci:), an OCI archive, a registry and the store have.",
  });
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
  // A digest is that of the index, or of what is here of it.
  const wanted = source.whole && root === source.whole && name.digest !== undefined && name.digest !== root.digest ? source.root : root;
  if (source.stored) return fromStore(call, wanted, name, { ...how.packing, referrers: how.referrers === true }, around, task);
  checkDigest(name, root);
  const [{ openRepository }, { copyImage }] = await Promise.all([import("../../registry/repository.ts"), import("../../place/copy.ts")]);
  const near = source.name?.registry === name.registry && source.name.repository !== name.repository ? source.name.repository : undefined;
  await using place = await openRepository(name, { ...around, access: "push", ...(near ? { mountFrom: () => near } : {}) }, task);
  if (!(await place.has(root.digest, root.mediaType))) await copyImage(source.from, place, root, task);
  if (how.referrers) await (await along()).alongToRegistry(source, place, root, task);
  await place.publish(name, root, task);
  return root;
}

/** Plain layers are packed, unless a digest is asked for that the image has as it is. */
async function fromStore(
  call: Invocation,
  root: Descriptor,
  name: Reference,
  packing: Packing,
  around: Surroundings,
  task: Task,
): Promise<Descriptor> {
  const { packForRegistry, pushImage } = await import("../registry/push.ts");
  const store = await call.store();
  if (name.digest === undefined) return (await pushImage(name, root, packing, store, around, task)).root;
  const asStored = root.digest === name.digest;
  if (!asStored) checkDigest(name, await packForRegistry(store, root, packing, task));
  return (await pushImage(name, root, { ...packing, asStored }, store, around, task)).root;
}

function checkDigest(name: Reference, root: Descriptor): void {
  if (name.digest === undefined || name.digest === root.digest) return;
  throw new Failure("USAGE", `${formatReference(name)}: the image that is copied has the digest ${root.digest}`, {
    hint: "Copy it to a tag, or to the digest that it has.",
  });
}
