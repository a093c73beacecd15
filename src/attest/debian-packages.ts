import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Dependency } from "./provenance.ts";

/**
 * The installed packages of a dpkg status file, or of a part of one, as package URLs of type deb: `pkg:deb/debian/libc6@2.36-9?arch=amd64`.
 * `suite` becomes the qualifier `distro`. What is removed, or has no version, is left out. Throws LIMIT. purl-spec, types/deb.
 */
export function debianPackages(status: string, suite: string | undefined): readonly Dependency[] {
  const found: Dependency[] = [];
  for (const paragraph of status.split(/\n{2,}/)) {
    const fields = new Map<string, string>();
    for (const line of paragraph.split("\n")) {
      const colon = line.indexOf(":");
      // Lines that begin with a blank go on with the field before, none of which is wanted here.
      if (colon > 0 && !/^[ \t]/.test(line)) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const [name, version, architecture] = ["package", "version", "architecture"].map((key) => fields.get(key));
    const installed = /(?:^| )installed$/.test(fields.get("status") ?? "installed");
    if (name === undefined || version === undefined || !installed || !/^[a-z0-9][a-z0-9.+-]*$/.test(name)) continue;
    if (found.length === LIMITS.indexEntries)
      throw new Failure("LIMIT", `more than ${LIMITS.indexEntries} Debian packages in an image (limit indexEntries)`);
    const qualifiers = [...(architecture ? [`arch=${safe(architecture)}`] : []), ...(suite ? [`distro=${safe(suite)}`] : [])];
    found.push({ uri: `pkg:deb/debian/${safe(name)}@${safe(version)}${qualifiers.length > 0 ? `?${qualifiers.join("&")}` : ""}` });
  }
  return found;
}

/** As package URLs have it: a colon (of an epoch) stays as it is. */
function safe(text: string): string {
  return encodeURIComponent(text).replaceAll("%3A", ":");
}
