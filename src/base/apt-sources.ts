import { readAptConf } from "../debian/apt-conf.ts";
import type { ArchiveOptions } from "../debian/face.ts";
import { chooseSites, isDebianSuite } from "../debian/site.ts";
import type { Task } from "../task/task.ts";
import type { Stage } from "./recipe.ts";

/**
 * A last layer for images in which apt works: where it finds packages, which is where this machine finds them. It is the only layer
 * whose bytes depend on the machine, so recipes with a lock do not have it. Undefined where the mirror is a folder, which no container
 * sees. Throws USAGE where no mirror is known.
 */
export function aptSources(options: ArchiveOptions, task: Task): Stage | undefined {
  const sites = chooseSites(options, readAptConf(options.root ?? "/"), (text) => task.emit({ type: "note", text }));
  const paragraphs = sites.flatMap(({ suite, roots, components }) => {
    const uris = roots.map(withoutCredentials).filter((root) => /^https?:/.test(root));
    if (uris.length === 0) return [];
    return [
      `Types: deb\nURIs: ${uris.join(" ")}\nSuites: ${suite}\nComponents: ${components.join(" ")}\nSigned-By: /usr/share/keyrings/${isDebianSuite(suite) ? "debian" : "ubuntu"}-archive-keyring.gpg\n`,
    ];
  });
  if (paragraphs.length === 0) return undefined;
  const bytes = Buffer.from(paragraphs.join("\n"));
  return { title: "where apt finds packages", packages: [], files: [{ path: "/etc/apt/sources.list.d/debian.sources", bytes }] };
}

/** Names and passwords of the machine are nobody else's business. */
function withoutCredentials(root: string): string {
  return root.replace(/^([a-z]+:\/\/)[^/@]*@/, "$1");
}
