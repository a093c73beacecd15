import { readElf } from "../debian/data/elf.ts";
import { tripletOf } from "../debian/data/ld-cache.ts";
import type { Site } from "../debian/data/site.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Entry, FileEntry } from "../tree/entry.ts";
import { nameOf, type Path, parentOf, ROOT, toPath } from "../tree/path.ts";

/** Why a path was kept: what named it. */
export type Reached = ReadonlyMap<Path, string>;

const LINKS = 40;
/** Folders of programs: that a file mentions one (libc has the path of the shell) does not mean that it is needed. */
const PROGRAMS = /^\/usr\/(?:local\/)?(?:s?bin|games)\//;
/** Folders that hold everything, and say nothing when they are named. */
const GENERAL = new Set(["/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/share/locale", "/usr/lib/locale", "/usr/share/misc"]);

/** Runtimes that put the path of their library together while they run, so that it stands in no file. */
const RUNTIMES: readonly (readonly [RegExp, string])[] = [
  [/^\/usr\/(?:bin\/|lib\/.*\/lib)python(3\.\d+)(?:\.so.*)?$/, "/usr/lib/python$1"],
];

/**
 * What given programs of a site can reach: their loader and the libraries that they and those name, searched for as ld.so(8) does;
 * interpreters of scripts; libraries, files and folders whose names stand in what was reached, which is the evidence for what is
 * loaded while a program runs; the modules for character sets where something asks for them. Throws NOT_FOUND for a program that is
 * not there.
 */
export async function reachedFrom(site: Site, programs: readonly string[], architecture: string): Promise<Reached> {
  const reached = new Map<Path, string>();
  const waiting: { readonly path: string; readonly why: string }[] = [];
  const triplet = tripletOf(architecture);
  const folders = [...(triplet ? [`/usr/lib/${triplet}`, `/lib/${triplet}`] : []), "/usr/lib", "/lib"];
  const need = (path: string, why: string) => waiting.push({ path, why });
  const find = (name: string, among: readonly string[]) =>
    among.map((dir) => `${dir}/${name}`).find((path) => site.lookup(path)?.kind === "file");

  for (const program of programs) {
    const path = program.startsWith("/") ? program : find(program, ["/usr/bin", "/usr/sbin", "/usr/games", "/bin", "/sbin"]);
    if (path === undefined || !site.lookup(path)) throw new Failure("NOT_FOUND", `${printable(program)}: no package has such a program`);
    need(path, "asked for");
  }
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const file = follow(site, next.path, next.why, reached);
    if (!file) continue;
    const bytes = await site.read(file);
    const elf = readElf(bytes);
    if (!elf) {
      const [, interpreter, word] = /^#!\s*(\S+)(?:[ \t]+(\S+))?/.exec(bytes.toString("latin1", 0, 256)) ?? [];
      if (interpreter !== undefined) need(interpreter, `interpreter of ${file.path}`);
      const named = interpreter?.endsWith("/env") && word ? find(word, ["/usr/bin", "/bin"]) : undefined;
      if (named !== undefined) need(named, `interpreter of ${file.path}`);
      continue;
    }
    for (const [form, folder] of RUNTIMES)
      if (form.test(file.path))
        for (const below of site.below(file.path.replace(form, folder))) need(below.path, `library of ${file.path}`);
    if (elf.interpreter !== undefined) need(elf.interpreter, `loader of ${file.path}`);
    const origin = parentOf(file.path);
    const own = [...elf.runpath, ...elf.rpath].map((dir) => dir.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, origin));
    for (const name of elf.needed) {
      const library = find(name, [...own, ...folders]);
      if (library !== undefined) need(library, `needed by ${file.path}`);
    }
    await evidence(site, bytes, file.path, (name) => find(name, [...own, ...folders]), need);
    if (triplet && bytes.includes("iconv_open") && !nameOf(file.path).startsWith("libc.so"))
      for (const module of site.below(`/usr/lib/${triplet}/gconv`)) need(module.path, `character sets for ${file.path}`);
  }
  return reached;
}

/** Keeps every link on the way to a path, and its end. Gives the file there when it was not met before. */
function follow(site: Site, start: string, why: string, reached: Map<Path, string>): FileEntry | undefined {
  let path = start;
  for (let count = 0; count < LINKS; count++) {
    for (let dir = parentOf(path as Path); dir !== ROOT; dir = parentOf(dir)) if (site.get(dir)?.kind === "symlink") reached.set(dir, why);
    const real = site.resolve(path, true);
    const entry = site.get(real);
    if (!entry) return undefined;
    const known = reached.has(real);
    if (!known) reached.set(real, why);
    if (entry.kind === "symlink") {
      path = toPath(entry.target, parentOf(real));
      continue;
    }
    if (entry.kind === "hardlink") {
      path = entry.target;
      continue;
    }
    return entry.kind === "file" && !known ? entry : undefined;
  }
  return undefined;
}

/** Names of libraries and paths that stand in a program, ended by a zero byte: absolute ones, and those below `/usr` of its own data. */
async function evidence(
  site: Site,
  bytes: Buffer,
  from: Path,
  library: (name: string) => string | undefined,
  need: (path: string, why: string) => void,
): Promise<void> {
  const text = bytes.toString("latin1");
  for (const [, name = ""] of text.matchAll(/\0(lib[A-Za-z0-9_.+-]{1,60}\.so(?:\.[0-9.]{1,20})?)(?=\0)/g)) {
    const path = library(name);
    if (path !== undefined) need(path, `named in ${from}`);
  }
  for (const [, absolute, relative] of text.matchAll(
    /\0(?:(\/(?:etc|usr|var|lib)\/[A-Za-z0-9_.+/-]{2,200})|((?:lib|libexec|share)\/[A-Za-z0-9_.+/-]{2,200}))(?=\0)/g,
  )) {
    const path = absolute ?? `/usr/${relative}`;
    const real = site.resolve(toPath(path));
    const entry = site.get(real);
    if (!entry || PROGRAMS.test(real)) continue;
    if (entry.kind !== "dir") need(path, `named in ${from}`);
    else if (real.split("/").length > 3 && !GENERAL.has(real) && !/^\/usr\/lib\/[a-z0-9_]+-linux-[a-z]+$/.test(real))
      for (const below of site.below(real)) if (await isPart(site, below)) need(below.path, `below ${path}, named in ${from}`);
  }
}

/** Whether something in a folder that a program names is a part of it: data, libraries and binaries of its own. Scripts are not. */
async function isPart(site: Site, entry: Entry): Promise<boolean> {
  const real = site.lookup(entry.path);
  if (!real || PROGRAMS.test(real.path)) return false;
  if (real.kind !== "file" || (real.mode & 0o111) === 0 || nameOf(real.path).includes(".so")) return true;
  return (await site.read(real, 4)).equals(ELF);
}

const ELF = Buffer.from("\x7fELF", "latin1");
