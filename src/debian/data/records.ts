import { hash } from "node:crypto";
import { compareNames } from "../../kit/bytes.ts";
import type { Deb } from "../deb.ts";
import type { Site } from "./site.ts";

/** The control paragraph of a package as dpkg keeps it once the package is installed: `Status` after `Package` (dpkg, status file). */
export function statusOf(deb: Deb): string {
  const text = deb.text.trimEnd();
  const end = text.indexOf("\n");
  const head = end < 0 ? text : text.slice(0, end);
  const rest = end < 0 ? "" : text.slice(end);
  return `${head}\nStatus: install ok installed${rest}\n`;
}

/**
 * Keeps what scanners look for in an image without dpkg: `var/lib/dpkg/status.d/NAME` with the package's paragraph and
 * `NAME.md5sums` beside it. Its copyright file stays in /usr/share/doc.
 */
export function recordPackages(site: Site): void {
  if (site.has("dpkg")) return;
  for (const deb of site.debs) {
    site.file(`/var/lib/dpkg/status.d/${deb.name}`, statusOf(deb), deb.name);
    const sums = deb.files.get("md5sums");
    if (sums) site.file(`/var/lib/dpkg/status.d/${deb.name}.md5sums`, sums, deb.name);
  }
}

/** Control files that dpkg keeps in its folder `info`. */
const KEPT = ["conffiles", "config", "md5sums", "postinst", "postrm", "preinst", "prerm", "shlibs", "symbols", "templates", "triggers"];

/** dpkg's own books, for an image in which dpkg and apt go on working: the status of every package and the files it has. */
export async function dpkgDatabase(site: Site, architecture: string): Promise<void> {
  if (!site.has("dpkg")) return;
  const names = (deb: Deb) => (deb.fields.get("multi-arch") === "same" ? `${deb.name}:${deb.architecture}` : deb.name);
  const status: string[] = [];
  const dir = "/var/lib/dpkg/info";
  for (const deb of [...site.debs].sort((a, b) => compareNames(a.name, b.name))) {
    status.push(await paragraphOf(site, deb));
    const paths = deb.draft.map(({ path }) => (path === "/" ? "/." : path));
    site.file(`${dir}/${names(deb)}.list`, `${paths.join("\n")}\n`, "dpkg");
    for (const [name, bytes] of deb.files) {
      if (!KEPT.includes(name)) continue;
      const mode = ["config", "postinst", "postrm", "preinst", "prerm"].includes(name) ? 0o755 : 0o644;
      site.file(`${dir}/${names(deb)}.${name}`, bytes, "dpkg", { mode });
    }
  }
  site.file(`${dir}/format`, "1\n", "dpkg");
  site.file("/var/lib/dpkg/status", status.map((one) => `${one}\n`).join(""), "dpkg");
  site.file("/var/lib/dpkg/diversions", "", "dpkg");
  site.file("/var/lib/dpkg/lock", "", "dpkg", { mode: 0o640 });
  site.file("/var/lib/dpkg/lock-frontend", "", "dpkg", { mode: 0o640 });
  site.file("/var/lib/dpkg/arch", `${architecture}\n`, "dpkg");
  for (const name of ["parts", "updates", "triggers"]) site.dir(`/var/lib/dpkg/${name}`, "dpkg");
  triggers(site, names);
}

/** The order in which dpkg writes fields; those that it does not know come last, in the order of the package. */
const ORDER = [
  "package",
  "essential",
  "protected",
  "status",
  "priority",
  "section",
  "installed-size",
  "origin",
  "maintainer",
  "bugs",
  "architecture",
  "multi-arch",
  "source",
  "version",
  "replaces",
  "provides",
  "depends",
  "pre-depends",
  "recommends",
  "suggests",
  "breaks",
  "conflicts",
  "enhances",
  "conffiles",
  "description",
];

/**
 * A package's paragraph in the status file: with its configuration files and their sums, by which dpkg knows whether somebody changed
 * them.
 */
async function paragraphOf(site: Site, deb: Deb): Promise<string> {
  const listed: string[] = [];
  for (const path of (deb.files.get("conffiles")?.toString("utf8") ?? "").split("\n")) {
    if (!path.startsWith("/")) continue;
    const file = deb.draft.find((entry) => entry.path === path);
    if (file?.kind === "file") listed.push(` ${path} ${hash("md5", await site.read(file))}`);
  }
  // The lines of each field as they are, so that folded ones stay so.
  const fields = new Map<string, string>();
  let key = "";
  for (const line of statusOf(deb).trimEnd().split("\n")) {
    if (!/^[ \t]/.test(line)) key = line.slice(0, line.indexOf(":")).toLowerCase();
    fields.set(key, fields.has(key) ? `${fields.get(key)}\n${line}` : line);
  }
  if (listed.length > 0) fields.set("conffiles", `Conffiles:\n${listed.join("\n")}`);
  const rank = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  const sorted = [...fields].sort(([a], [b]) => rank(a) - rank(b));
  return `${sorted.map(([, lines]) => lines).join("\n")}\n`;
}

/** Which package is interested in which path or name (deb-triggers(5)), as dpkg keeps it. */
function triggers(site: Site, names: (deb: Deb) => string): void {
  const files: string[] = [];
  const explicit = new Map<string, string[]>();
  for (const deb of site.debs) {
    for (const line of (deb.files.get("triggers")?.toString("utf8") ?? "").split("\n")) {
      const [, kind, what] = /^interest(-noawait|-await)?\s+(\S+)$/.exec(line.trim()) ?? [];
      if (what === undefined) continue;
      const suffix = kind === "-noawait" ? "/noawait" : "";
      if (what.startsWith("/")) files.push(`${what} ${names(deb)}${suffix}`);
      else explicit.set(what, [...(explicit.get(what) ?? []), `${names(deb)}${suffix}`]);
    }
  }
  site.file("/var/lib/dpkg/triggers/File", files.map((line) => `${line}\n`).join(""), "dpkg");
  site.file("/var/lib/dpkg/triggers/Lock", "", "dpkg", { mode: 0o600 });
  site.file("/var/lib/dpkg/triggers/Unincorp", "", "dpkg");
  for (const [name, all] of explicit) site.file(`/var/lib/dpkg/triggers/${name}`, all.map((line) => `${line}\n`).join(""), "dpkg");
}
