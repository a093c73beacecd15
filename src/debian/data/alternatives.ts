import { compareNames } from "../../kit/bytes.ts";
import type { Deb } from "../deb.ts";
import type { Site } from "./site.ts";

/** One way to provide a command: what `update-alternatives --install` is told. */
export interface Alternative {
  readonly link: string;
  readonly name: string;
  readonly path: string;
  readonly priority: number;
  readonly slaves: readonly { readonly link: string; readonly name: string; readonly path: string }[];
  readonly from: string;
}

/**
 * The alternatives that a package's script installs, read from its text and not by running it: `update-alternatives --install` with
 * words that are literal, or variables that were given literal values above, or the variable of a loop over such words. What depends on
 * more than that is left out; `unread` counts such calls.
 */
export function alternativesOf(deb: Deb): { readonly found: readonly Alternative[]; readonly unread: number } {
  const script = deb.files.get("postinst")?.toString("utf8") ?? "";
  const found: Alternative[] = [];
  let unread = 0;
  const values = new Map<string, string>();
  const loops: { readonly name: string; readonly words: readonly string[] }[] = [];
  for (const line of script.replace(/\\\n/g, " ").split("\n")) {
    const text = line.trim();
    const [, name, value] = /^([A-Za-z_]\w*)=(?:'([^']*)'|"[^"`]*"|[^\s;`"'()]*)$/.exec(text) ?? [];
    if (name !== undefined) {
      const given = value ?? expand(text.slice(name.length + 1).replace(/^"|"$/g, ""), values);
      if (given !== undefined) values.set(name, given);
      continue;
    }
    const [, variable, list] = /^for (\w+) in ([^;]*?)(?:;\s*do)?$/.exec(text) ?? [];
    if (variable !== undefined) loops.push({ name: variable, words: (expand(list as string, values) ?? "").split(/\s+/).filter(Boolean) });
    if (/^done\b/.test(text)) loops.pop();
    const call = /(?:^|[\s;&|])update-alternatives\s+(?:--(?:quiet|force)\s+)*(--install\s.*)$/.exec(text)?.[1];
    if (call === undefined) continue;
    const loop = loops.at(-1);
    for (const word of loop ? loop.words : [""]) {
      const one = parse(call, loop ? new Map([...values, [loop.name, word]]) : values, deb.name);
      if (one) found.push(one);
      else unread++;
    }
  }
  return { found, unread };
}

/** Text with its variables replaced; undefined where one is not known. */
function expand(text: string, values: ReadonlyMap<string, string>): string | undefined {
  let known = true;
  const whole = text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced: string | undefined, plain: string | undefined) => {
    const value = values.get((braced ?? plain) as string);
    if (value === undefined) known = false;
    return value ?? "";
  });
  return known && !whole.includes("$") && !whole.includes("`") ? whole : undefined;
}

function parse(call: string, values: ReadonlyMap<string, string>, from: string): Alternative | undefined {
  const words = call
    .replace(/\s(?:\|\||&&|;|>|2>|\|).*$/, "")
    .split(/\s+/)
    .map((word) => word.replace(/^["']|["']$/g, ""));
  const given = words.map((word) => expand(word, values));
  const [, link, name, path, priority] = given;
  if (link === undefined || name === undefined || path === undefined || priority === undefined || !/^-?\d+$/.test(priority))
    return undefined;
  if (!link.startsWith("/") || !path.startsWith("/") || name.includes("/")) return undefined;
  const slaves: { link: string; name: string; path: string }[] = [];
  for (let at = 5; at < given.length; at++) {
    if (given[at] !== "--slave") continue;
    const [slaveLink, slaveName, slavePath] = given.slice(at + 1, at + 4);
    if (slaveLink?.startsWith("/") && slaveName && slavePath?.startsWith("/"))
      slaves.push({ link: slaveLink, name: slaveName, path: slavePath });
  }
  return { link, name, path, priority: Number(priority), slaves, from };
}

/**
 * Makes the links of alternatives as update-alternatives(1) does on a new system: the highest priority is taken, the first of
 * equals; further names come along where their files are there. With dpkg in the image, its books are kept too.
 */
export function installAlternatives(site: Site): void {
  const groups = new Map<string, Alternative[]>();
  for (const deb of site.debs) {
    for (const one of alternativesOf(deb).found) {
      if (!site.lookup(one.path)) continue;
      groups.set(one.name, [...(groups.get(one.name) ?? []), one]);
    }
  }
  for (const [name, all] of [...groups].sort(([a], [b]) => compareNames(a, b))) {
    const best = all.reduce((top, one) => (one.priority > top.priority ? one : top));
    point(site, best.link, name, best.path, best.from);
    for (const slave of best.slaves) if (site.lookup(slave.path)) point(site, slave.link, slave.name, slave.path, best.from);
    if (site.has("dpkg")) site.file(`/var/lib/dpkg/alternatives/${name}`, books(all), "dpkg");
  }
}

function point(site: Site, link: string, name: string, path: string, from: string): void {
  const there = site.get(site.resolve(link, true));
  if (there && there.kind !== "symlink") return;
  site.link(`/etc/alternatives/${name}`, path, from);
  site.link(link, `/etc/alternatives/${name}`, from);
}

/** A file of /var/lib/dpkg/alternatives (update-alternatives(1), "Administrative directory"). */
function books(all: readonly Alternative[]): string {
  const slaves = new Map<string, string>();
  for (const one of all) for (const slave of one.slaves) if (!slaves.has(slave.name)) slaves.set(slave.name, slave.link);
  const names = [...slaves.keys()].sort(compareNames);
  const lines = ["auto", all[0]?.link ?? "", ...names.flatMap((name) => [name, slaves.get(name) ?? ""]), ""];
  for (const one of [...all].sort((a, b) => compareNames(a.path, b.path)))
    lines.push(one.path, String(one.priority), ...names.map((name) => one.slaves.find((slave) => slave.name === name)?.path ?? ""));
  return `${lines.join("\n")}\n\n`;
}
