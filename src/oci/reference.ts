import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, isDigest } from "./digest.ts";

/** An image name in full: `docker.io/library/alpine:latest@sha256:…`. */
export interface Reference {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$/;
export const DEFAULT_REGISTRY = "docker.io";
/** What `docker.io` means: the host that is spoken to, and the key under which docker keeps its credentials. */
export const DEFAULT_REGISTRY_HOST = "registry-1.docker.io";
export const DEFAULT_REGISTRY_KEY = "https://index.docker.io/v1/";

/** The words docker has for the one name that is no image. */
export const SCRATCH_RESERVED = "'scratch' is a reserved name";

/**
 * Reads an image name as docker does (distribution/reference): `alpine` is `docker.io/library/alpine`, the first part is a
 * registry only if it has a dot, a colon, or is `localhost`. No tag is added. Throws REFERENCE, or RESERVED for `scratch`.
 */
export function parseReference(text: string): Reference {
  const bad = (why: string) => new Failure("REFERENCE", `invalid reference format: "${printable(text.slice(0, 300))}": ${why}`);
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  if (scheme !== undefined) throw bad(`a name begins with the registry's host or its own first word, without ${printable(scheme)}`);
  let rest = text;
  let digest: Digest | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    const given = rest.slice(at + 1);
    if (!isDigest(given)) throw bad("the digest is not sha256: and 64 hex digits");
    digest = given;
    rest = rest.slice(0, at);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    if (!TAG.test(tag)) throw bad("the tag has letters, digits, _ . - and at most 128 characters");
    rest = rest.slice(0, colon);
  }
  if (rest.length === 0) throw bad("the name is empty");
  if (/^[0-9a-f]{64}$/.test(rest)) throw bad("a bare digest is no name");
  const slash = rest.indexOf("/");
  const first = slash < 0 ? "" : rest.slice(0, slash);
  const hasRegistry = slash >= 0 && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  let registry = hasRegistry ? first : DEFAULT_REGISTRY;
  let repository = hasRegistry ? rest.slice(slash + 1) : rest;
  const host = HOST.exec(registry);
  if (!host || (host[1] !== undefined && (Number(host[1]) < 1 || Number(host[1]) > 65_535))) throw bad("the registry is not host[:port]");
  if (registry === "index.docker.io") registry = DEFAULT_REGISTRY;
  if (registry === DEFAULT_REGISTRY && !repository.includes("/")) repository = `library/${repository}`;
  if (!repository.split("/").every((part) => PART.test(part))) {
    throw bad(
      repository.toLowerCase() === repository
        ? "the path has lower-case letters and digits, separated by . _ - or /"
        : "repository name must be lowercase",
    );
  }
  if (repository.length > 255) throw bad("the path is longer than 255 characters");
  if (registry === DEFAULT_REGISTRY && repository === "library/scratch") {
    throw new Failure("RESERVED", SCRATCH_RESERVED);
  }
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/**
 * Reads a name that is to be given to an image, with `:latest` where it has no tag. Throws REFERENCE also for a digest, which nobody can
 * give, and for a name that would read like one (`sha256:…`), as docker does; RESERVED for `scratch`.
 */
export function parseNewName(text: string): Reference {
  const name = parseReference(text);
  const refuse = (why: string) => new Failure("REFERENCE", `refusing to create ${why}: ${printable(text.slice(0, 300))}`);
  if (name.digest !== undefined) throw refuse("a tag with a digest reference");
  if (familiarRepository(name) === "sha256") throw refuse("an ambiguous tag using digest algorithm as name");
  return withDefaultTag(name);
}

/** The same name with `:latest` where it had neither tag nor digest. */
export function withDefaultTag(name: Reference): Reference {
  return name.tag === undefined && name.digest === undefined ? { ...name, tag: "latest" } : name;
}

/** The whole name: `docker.io/library/alpine:latest`. */
export function formatReference(name: Reference): string {
  return `${name.registry}/${name.repository}${name.tag === undefined ? "" : `:${name.tag}`}${name.digest === undefined ? "" : `@${name.digest}`}`;
}

/** The name's repository as people write it: `alpine`, `user/app`, `ghcr.io/user/app`. */
export function familiarRepository(name: Reference): string {
  if (name.registry !== DEFAULT_REGISTRY) return `${name.registry}/${name.repository}`;
  return name.repository.startsWith("library/") && name.repository.indexOf("/", 8) < 0 ? name.repository.slice(8) : name.repository;
}

/** The name as people write it: `alpine:latest`. */
export function familiarName(name: Reference): string {
  return `${familiarRepository(name)}${name.tag === undefined ? "" : `:${name.tag}`}${name.digest === undefined ? "" : `@${name.digest}`}`;
}
