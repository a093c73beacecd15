import { Failure } from "../kit/error.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { familiarName, formatReference, parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";

/** The whole name, as containerd, docker and buildx write it into an index. */
export const NAME = "io.containerd.image.name";
/** Image-spec, annotations.md: docker puts the tag here, skopeo and podman whatever they were told. */
export const REF = "org.opencontainers.image.ref.name";

/** The descriptor under which a layout lists an image: the two annotations set as docker and buildx do, others kept. */
export function named(root: Descriptor, name: Reference | undefined): Descriptor {
  const { [NAME]: _, [REF]: __, ...others } = root.annotations ?? {};
  const { annotations: ___, ...bare } = root;
  const full = name && withDefaultTag(name);
  const annotations = {
    ...others,
    ...(full ? { [NAME]: formatReference(full), ...(full.tag === undefined ? {} : { [REF]: full.tag }) } : {}),
  };
  return Object.keys(annotations).length > 0 ? { ...bare, annotations } : bare;
}

/** The descriptor under which skopeo's `oci:PATH:REF` lists an image: `ref` is whatever it was told. */
export function calledAs(root: Descriptor, ref: string): Descriptor {
  const bare = named(root, undefined);
  return { ...bare, annotations: { ...bare.annotations, [REF]: ref } };
}

/**
 * The name an entry of an index gives its image; undefined where it gives none, only a tag, or (skopeo lets people write anything)
 * something that is no name. Throws REFERENCE for a bad `io.containerd.image.name`, RESERVED for `scratch`.
 */
export function nameOf(entry: Descriptor): Reference | undefined {
  const full = entry.annotations?.[NAME];
  if (full !== undefined) return withDefaultTag(parseReference(full));
  const ref = entry.annotations?.[REF];
  if (ref === undefined || !/[/:]/.test(ref)) return undefined;
  try {
    return withDefaultTag(parseReference(ref));
  } catch (error) {
    if (error instanceof Failure && error.code === "REFERENCE") return undefined;
    throw error;
  }
}

/** How well an entry fits a name: 3 the same name, 2 the same name as skopeo writes it, 1 the tag alone, 0 not at all. */
export function fit(entry: Descriptor, wanted: Reference): number {
  const name = withDefaultTag(wanted);
  const full = entry.annotations?.[NAME];
  if (full === formatReference(name)) return 3;
  const ref = entry.annotations?.[REF];
  if (ref === familiarName(name) || ref === formatReference(name) || (ref === familiarName(wanted) && wanted.tag === undefined)) return 2;
  return full === undefined && ref !== undefined && ref === name.tag ? 1 : 0;
}
