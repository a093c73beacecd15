import { formatReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { Policy, Requirement } from "./policy.ts";

/** What a policy says of one image, and where it says so. */
export interface Applying {
  readonly requirements: readonly Requirement[];
  /** For messages: `docker.io/library`, or which default. */
  readonly scope: string;
}

/**
 * The part of a policy that counts for an image of a registry: its own name with tag or digest, the repository, what is above it, the host,
 * the domains above the host (`*.example.org`), the transport's default, the policy's. containers-policy.json(5), "docker:".
 */
export function requirementsFor(policy: Policy, name: Reference): Applying {
  const scopes = policy.transports.get("docker");
  for (const scope of scopesOf(name)) {
    const requirements = scopes?.get(scope);
    if (requirements) return { requirements, scope };
  }
  const own = scopes?.get("");
  return own ? { requirements: own, scope: "the default of docker" } : { requirements: policy.default, scope: "the default" };
}

/** All scopes that an image is in, the narrowest first. */
export function scopesOf(name: Reference): readonly string[] {
  const { tag, ...rest } = withDefaultTag(name);
  const found = [formatReference(rest.digest === undefined && tag !== undefined ? { ...rest, tag } : rest)];
  const parts = `${name.registry}/${name.repository}`.split("/");
  for (let count = parts.length; count > 0; count--) found.push(parts.slice(0, count).join("/"));
  const labels = name.registry.replace(/:[0-9]+$/, "").split(".");
  for (let from = 1; from < labels.length; from++) found.push(`*.${labels.slice(from).join(".")}`);
  return found;
}
