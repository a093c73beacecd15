import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";

/** A place that an image comes from or goes to, as the command line names it. */
export type PlaceWord =
  | { readonly kind: "registry"; readonly name: Reference }
  /** `ref` is the layout's own name for an image, often a tag: whatever `org.opencontainers.image.ref.name` may hold. */
  | { readonly kind: "layout" | "oci-archive"; readonly path: string; readonly ref?: string }
  | { readonly kind: "docker-archive"; readonly path: string; readonly name?: Reference }
  /** A name or ID of the local store. */
  | { readonly kind: "store"; readonly text: string };

const KINDS = { "oci:": "layout", "oci-archive:": "oci-archive", "docker-archive:": "docker-archive" } as const;

/** Transports of skopeo that mean something else than a name of the store, and that are not served. */
const OTHERS = ["dir:", "docker-daemon:", "containers-storage:", "ostree:", "sif:", "tarball:", "atomic:"];

/** Whether a word names its transport, as skopeo spells them: `docker://…`, `oci:…`, `oci-archive:…`, `docker-archive:…`, or `store:…`. */
export function namesTransport(text: string): boolean {
  return ["docker://", "store:", ...Object.keys(KINDS)].some((prefix) => text.startsWith(prefix));
}

/**
 * Reads a place: `docker://NAME[:TAG|@DIGEST]`, `oci:PATH[:REF]`, `oci-archive:PATH[:REF]`, `docker-archive:PATH[:NAME]`, and
 * `store:NAME` or a name alone for the local store. A path ends at its first colon (containers-transports(5)). Throws USAGE, REFERENCE.
 */
export function readPlaceWord(text: string): PlaceWord {
  if (text.startsWith("docker://")) return { kind: "registry", name: withDefaultTag(parseReference(text.slice(9))) };
  if (text.startsWith("store:")) return { kind: "store", text: needed(text.slice(6), text) };
  const prefix = Object.keys(KINDS).find((one) => text.startsWith(one)) as keyof typeof KINDS | undefined;
  if (prefix === undefined) {
    const other = OTHERS.find((one) => text.startsWith(one));
    if (other === undefined) return { kind: "store", text: needed(text, text) };
    throw new Failure("USAGE", `${printable(text)}: the transport ${other} is not supported`, {
      hint: "There are docker://, oci:, oci-archive:, docker-archive: and store:.",
    });
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
