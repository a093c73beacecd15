import { DEFAULT_REGISTRY, DEFAULT_REGISTRY_HOST, DEFAULT_REGISTRY_KEY } from "../../oci/reference.ts";

/** `docker.io` under all names that it goes by; any other host in lower case. */
export function registryOf(host: string): string {
  const lower = host.toLowerCase();
  return lower === DEFAULT_REGISTRY_HOST || lower === "index.docker.io" ? DEFAULT_REGISTRY : lower;
}

/** The key under which docker writes the credentials of a registry. */
export function keyFor(registry: string): string {
  return registryOf(registry) === DEFAULT_REGISTRY ? DEFAULT_REGISTRY_KEY : registryOf(registry);
}

/**
 * How well a key of an auth file fits a repository: the number of its parts, 0 where it does not fit at all. A key is a host, docker's old
 * URL of one (`https://host/v1/`), or, as podman has it, a host and the beginning of a repository. Host and port must be the same.
 */
export function keyFit(key: string, registry: string, repository: string): number {
  const bare = key.replace(/^https?:\/\//i, "");
  const url = bare !== key || /\/v[12]\/?$/.test(bare);
  const [host = "", ...path] = bare.split("/");
  if (host === "" || registryOf(host) !== registryOf(registry)) return 0;
  const parts = url ? [] : path.filter((part) => part !== "");
  const wanted = repository.split("/");
  return parts.every((part, at) => part === wanted[at]) ? 1 + parts.length : 0;
}
