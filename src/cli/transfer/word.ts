import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";

/** A place that an image comes from or goes to, as the command line names it. */
export type PlaceWord =
  | { readonly kind: "registry"; readonly name: Reference }
  /** `ref` is the layout's own name for an image, often a tag: whatever `org.opencontainers.image.ref.name` may hold. */
  | { readonly kind: "layout" | "oci-archive"; readonly path: string; readonly ref?: string }
  | { readonly kind: "docker-archive"; readonly path: string; readonly name?: Reference }
  | { readonly kind: "dir"; readonly path: string }
  /** A name or ID of the local store. */
  | { readonly kind: "store"; readonly text: string };

const KINDS = { "oci:": "layout", "oci-archive:": "oci-archive", "docker-archive:": "docker-archive" } as const;

/** Transports of skopeo that mean something else than a name of the store and that are not served, and what to do instead. */
const OTHERS: Readonly<Record<string, string>> = {
  "docker-daemon:": "Let docker write or read an archive: `docker save NAME | nought load`, `nought save NAME | docker load`.",
  "containers-storage:": "Let podman write or read an archive: `podman save NAME | nought load`, `nought save NAME | podman load`.",
  "ostree:": "There are docker://, oci:, oci-archive:, docker-archive:, dir: and store:.",
  "sif:": "There are docker://, oci:, oci-archive:, docker-archive:, dir: and store:.",
  "tarball:": "`nought import` makes an image of the tar archive of a file system.",
  "atomic:": "There are docker://, oci:, oci-archive:, docker-archive:, dir: and store:.",
};

/** Whether a word names its transport, as skopeo spells them: `docker://…`, `oci:…`, `dir:…`, or `store:…`, say. */
export function namesTransport(text: string): boolean {
  return ["docker://", "store:", "dir:", ...Object.keys(KINDS)].some((prefix) => text.startsWith(prefix));
}

/**
 * Reads a place: `docker://NAME[:TAG|@DIGEST]`, `oci:PATH[:REF]`, `oci-archive:PATH[:REF]`, `docker-archive:PATH[:NAME]`,
 * `dir:PATH`, and `store:NAME` or a name alone for the local store. A path ends at its first colon, but for `dir:`
 * (containers-transports(5)). Throws USAGE, REFERENCE, UNSUPPORTED.
 */
export function readPlaceWord(text: string): PlaceWord {
  if (text.startsWith("docker://")) return { kind: "registry", name: withDefaultTag(parseReference(text.slice(9))) };
  if (text.startsWith("docker:/")) throw new Failure("USAGE", `${printable(text)}: an image of a registry is named docker://NAME`);
  if (text.startsWith("store:")) return { kind: "store", text: needed(text.slice(6), text) };
  if (text.startsWith("dir:")) return { kind: "dir", path: needed(text.slice(4), text) };
  const prefix = Object.keys(KINDS).find((one) => text.startsWith(one)) as keyof typeof KINDS | undefined;
  if (prefix === undefined) {
    const other = Object.keys(OTHERS).find((one) => text.startsWith(one));
    if (other === undefined) return { kind: "store", text: needed(text, text) };
    throw new Failure("UNSUPPORTED", `${printable(text)}: the transport ${other} is not supported`, { hint: OTHERS[other] as string });
  }
  const rest = text.slice(prefix.length);
  const colon = rest.indexOf(":");
  const path = needed(colon < 0 ? rest : rest.slice(0, colon), text);
  const after = colon < 0 ? "" : rest.slice(colon + 1);
  const kind = KINDS[prefix];
  if (kind === "docker-archive") return { kind, path, ...(after === "" ? {} : { name: withDefaultTag(parseReference(after)) }) };
  return { kind, path, ...(after === "" ? {} : { ref: after }) };
}

function needed(part: string, whole: string): string {
  if (part !== "") return part;
  throw new Failure("USAGE", `${printable(whole) || '""'} names no image`);
}
