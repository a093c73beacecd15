import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { DEFAULT_REGISTRY, DEFAULT_REGISTRY_HOST, formatReference, type Reference } from "../../oci/reference.ts";
import type { Location } from "../face.ts";
import type { Merged } from "./files.ts";
import type { Rule } from "./rules.ts";

/**
 * Where a repository is to be had: its mirrors in their order, then the registry itself. The longest prefix that fits decides; it ends
 * where a part of the name ends. Throws AUTH where the registry is blocked. containers-registries.conf(5), "NAMESPACED [[registry]]".
 */
export function locate(name: Reference, conf: Merged): readonly Location[] {
  const full = `${name.registry.toLowerCase()}/${name.repository}`;
  const rule = ruleFor(full, conf.rules);
  if (rule?.blocked)
    throw new Failure(
      "AUTH",
      `${formatReference({ registry: name.registry, repository: name.repository })} is blocked by the configuration`,
      {
        hint: `The rule has the prefix ${printable(rule.prefix)}, in one of: ${conf.files.map(printable).join(", ")}.`,
      },
    );
  const at = (location: string, insecure: boolean, more: Pick<Location, "mirror" | "serves">): Location => {
    const target =
      location === "" || rule === undefined || rule.prefix.startsWith("*.")
        ? swapHost(full, location)
        : location + full.slice(rule.prefix.length);
    const slash = target.indexOf("/");
    const host = target.slice(0, slash);
    return {
      host: host === DEFAULT_REGISTRY ? DEFAULT_REGISTRY_HOST : host,
      repository: target.slice(slash + 1),
      insecure,
      tokenServers: rule?.tokenServers ?? [],
      ...more,
    };
  };
  const mirrors = (rule?.mirrors ?? []).map((one) => at(one.location, one.insecure, { mirror: true, serves: one.serves }));
  return [...mirrors, at(rule?.location ?? "", rule?.insecure ?? false, { mirror: false, serves: "all" })];
}

function ruleFor(full: string, rules: readonly Rule[]): Rule | undefined {
  let best: Rule | undefined;
  for (const rule of rules) {
    if (!fits(full, rule.prefix.toLowerCase())) continue;
    if (best === undefined || rule.prefix.length > best.prefix.length) best = rule;
  }
  return best;
}

function fits(full: string, prefix: string): boolean {
  if (prefix.startsWith("*.")) {
    const host = full.slice(0, full.indexOf("/"));
    // With a port the domain must have it too.
    return host.endsWith(prefix.slice(1)) && host.length > prefix.length - 1;
  }
  return full === prefix || full.startsWith(`${prefix}/`);
}

/** The name at another host and path; at its own where none is given. */
function swapHost(full: string, location: string): string {
  return location === "" ? full : `${location}/${full.slice(full.indexOf("/") + 1)}`;
}
