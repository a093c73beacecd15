import { compareNames } from "../../kit/bytes.ts";
import { matchGlob } from "../../kit/glob.ts";
import type { FileEntry } from "../../tree/entry.ts";
import { readElf } from "./elf.ts";
import type { Site } from "./site.ts";

/** A library in the cache: the name that programs ask for, and where it is. */
export interface CachedLibrary {
  readonly name: string;
  readonly path: string;
  readonly flags: number;
}

/** e_machine, bits and the flag of the cache (glibc, sysdeps dl-cache.h; 3 = "ELF, libc6"). */
const MACHINES: Readonly<Record<string, readonly [machine: number, bits: number, flags: number, big?: boolean]>> = {
  amd64: [62, 64, 0x0303],
  arm64: [183, 64, 0x0a03],
  armhf: [40, 32, 0x0903],
  i386: [3, 32, 0x0003],
  ppc64el: [21, 64, 0x0503],
  riscv64: [243, 64, 0x1003],
  s390x: [22, 64, 0x0403, true],
};
const TRIPLETS: Readonly<Record<string, string>> = {
  amd64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  armhf: "arm-linux-gnueabihf",
  i386: "i386-linux-gnu",
  ppc64el: "powerpc64le-linux-gnu",
  riscv64: "riscv64-linux-gnu",
  s390x: "s390x-linux-gnu",
};

/** The folder name of an architecture's libraries: `x86_64-linux-gnu`. */
export function tripletOf(architecture: string): string | undefined {
  return TRIPLETS[architecture];
}

/**
 * What `ldconfig` does when libc-bin is installed: /etc/ld.so.cache, with the libraries of the folders that /etc/ld.so.conf names and of
 * the
 * system's own, the same bytes as the ldconfig of that package writes. Where the package of the loader is missing, nothing.
 */
export async function cacheLibraries(site: Site, architecture: string): Promise<void> {
  const kind = MACHINES[architecture];
  const libc = site.debs.find(({ name }) => name === "libc6");
  if (!libc || !kind) return;
  const libraries: CachedLibrary[] = [];
  const seen = new Set<string>();
  for (const folder of await foldersOf(site, architecture)) {
    const real = site.resolve(folder);
    if (seen.has(real) || site.get(real)?.kind !== "dir") continue;
    seen.add(real);
    libraries.push(...(await librariesIn(site, folder, real, kind)));
  }
  if (libraries.length === 0) return;
  const upstream = /^(?:\d+:)?(\d+\.\d+)/.exec(libc.version)?.[1] ?? libc.version;
  const maker = `ldconfig (Debian GLIBC ${libc.version}) stable release version ${upstream}`;
  site.file("/etc/ld.so.cache", encodeCache(libraries, maker, kind[3] ?? false), "");
  if (site.has("libc-bin")) site.dir("/var/cache/ldconfig", "libc-bin", { mode: 0o700 });
}

/** The folders of ld.so.conf(5), in order, each with what it includes in place, and then the system's own. */
async function foldersOf(site: Site, architecture: string): Promise<string[]> {
  const folders: string[] = [];
  // Without libc-bin there is no main file; what the others ask for is still meant.
  const lines = ((await site.text("/etc/ld.so.conf")) ?? "include /etc/ld.so.conf.d/*.conf").split("\n");
  for (const line of lines) {
    const text = line.replace(/#.*/, "").trim();
    const [, pattern] = /^include\s+(\S+)$/.exec(text) ?? [];
    if (pattern === undefined) {
      if (text.startsWith("/")) folders.push(text);
      continue;
    }
    const dir = pattern.slice(0, pattern.lastIndexOf("/"));
    if (site.lookup(dir)?.kind !== "dir") continue;
    for (const name of site.names(dir).sort(compareNames)) {
      if (!matchGlob(pattern.slice(dir.length + 1), name)) continue;
      for (const one of ((await site.text(`${dir}/${name}`)) ?? "").split("\n")) {
        const folder = one.replace(/#.*/, "").trim();
        if (folder.startsWith("/")) folders.push(folder);
      }
    }
  }
  const triplet = TRIPLETS[architecture];
  return [...folders, ...(triplet ? [`/lib/${triplet}`, `/usr/lib/${triplet}`] : []), "/lib", "/usr/lib"].map((one) =>
    one.replace(/\/+$/, ""),
  );
}

/** One for each name in a folder. A library that is not there under the name that programs ask for gets a link, as ldconfig makes it. */
async function librariesIn(
  site: Site,
  folder: string,
  real: string,
  [machine, bits, flags]: readonly [number, number, number, boolean?],
): Promise<CachedLibrary[]> {
  const found = new Map<string, CachedLibrary>();
  for (const name of site.names(real)) {
    if (!/^(?:lib|ld-)/.test(name) || !name.includes(".so")) continue;
    const entry = site.lookup(`${real}/${name}`);
    if (entry?.kind !== "file") continue;
    const elf = readElf(await site.read(entry as FileEntry));
    if (!elf || elf.machine !== machine || elf.bits !== bits) continue;
    // The link for compilers, `libz.so`, is found under its own name too.
    const forCompilers = site.get(`${real}/${name}`)?.kind === "symlink" && name.endsWith(".so") && elf.soname?.startsWith(name);
    const soname = forCompilers ? name : (elf.soname ?? name);
    if (soname.includes("/") || found.has(soname)) continue;
    if (site.get(`${real}/${soname}`) === undefined) site.link(`${real}/${soname}`, name, site.from(`${real}/${name}`) ?? "");
    found.set(soname, { name: soname, path: `${folder}/${soname}`, flags });
  }
  return [...found.values()];
}

const ENTRY = 24;
const HEADER = 48;
const EXTENSION = 0xeaa42174;

/**
 * The bytes of a cache of the form "glibc-ld.so.cache1.1" (glibc, dl-cache.h): header, entries from the largest name to the smallest, texts
 * of which
 * one may be the end of another, and an extension that names the maker.
 */
export function encodeCache(libraries: readonly CachedLibrary[], maker: string, big = false): Buffer {
  const sorted = libraries
    .map((library, index) => ({ library, index }))
    .sort((a, b) => compareLibraries(b.library.name, a.library.name) || b.library.flags - a.library.flags || a.index - b.index)
    .map(({ library }) => library);
  const texts = textTable([...new Set(sorted.flatMap(({ name, path }) => [name, path]))]);
  const stringsAt = HEADER + sorted.length * ENTRY;
  const extensionAt = Math.ceil((stringsAt + texts.bytes.length) / 4) * 4;
  const makerAt = extensionAt + 24;
  const bytes = Buffer.alloc(makerAt + Buffer.byteLength(maker));
  const u32 = (value: number, at: number) => (big ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at));
  bytes.write("glibc-ld.so.cache1.1", "latin1");
  u32(sorted.length, 20);
  u32(texts.bytes.length, 24);
  bytes[28] = big ? 3 : 2;
  u32(extensionAt, 32);
  sorted.forEach(({ name, path, flags }, index) => {
    const at = HEADER + index * ENTRY;
    u32(flags, at);
    u32(stringsAt + (texts.offsets.get(name) as number), at + 4);
    u32(stringsAt + (texts.offsets.get(path) as number), at + 8);
  });
  texts.bytes.copy(bytes, stringsAt);
  // One section: tag 0, the maker; flags; where; how long.
  [EXTENSION, 1, 0, 0, makerAt, Buffer.byteLength(maker)].forEach((value, index) => u32(value, extensionAt + 4 * index));
  bytes.write(maker, makerAt);
  return bytes;
}

/** Texts with a zero byte after each, ordered by their ends so that a text which is the end of another needs no room of its own. */
function textTable(texts: readonly string[]): { readonly bytes: Buffer; readonly offsets: ReadonlyMap<string, number> } {
  const turned = texts.map((text) => ({ text, bytes: Buffer.from(text), key: Buffer.from(text).reverse() }));
  turned.sort((a, b) => {
    const length = Math.min(a.key.length, b.key.length);
    return b.key.compare(a.key, 0, length, 0, length) || b.key.length - a.key.length;
  });
  const offsets = new Map<string, number>();
  const parts: Buffer[] = [];
  let end = 0;
  let last: (typeof turned)[number] | undefined;
  for (const one of turned) {
    if (last && last.key.length >= one.key.length && last.key.subarray(0, one.key.length).equals(one.key)) {
      offsets.set(one.text, end - 1 - one.bytes.length);
      continue;
    }
    offsets.set(one.text, end);
    parts.push(one.bytes, Buffer.alloc(1));
    end += one.bytes.length + 1;
    last = one;
  }
  return { bytes: Buffer.concat(parts), offsets };
}

/** Order of names in which runs of digits are numbers, and a digit is more than anything else (glibc, _dl_cache_libcmp). */
export function compareLibraries(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length) {
    const digitA = isDigit(a, i);
    const digitB = isDigit(b, j);
    if (digitA !== digitB) return digitA ? 1 : -1;
    if (digitA) {
      const [from, other] = [i, j];
      while (isDigit(a, i)) i++;
      while (isDigit(b, j)) j++;
      const order = Number(a.slice(from, i)) - Number(b.slice(other, j));
      if (order !== 0) return order;
    } else {
      const order = a.charCodeAt(i) - (j < b.length ? b.charCodeAt(j) : 0);
      if (order !== 0) return order;
      i++;
      j++;
    }
  }
  return j < b.length ? -b.charCodeAt(j) : 0;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}
