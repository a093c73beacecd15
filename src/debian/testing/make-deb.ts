/** Debian packages for tests: made of data, with every way to make them wrong. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TarHeader, TarWriter } from "../../format/tar-write.ts";

/** A member of a tar: what its header says, and its text. */
export type Member = Partial<TarHeader> & { readonly path: string; readonly text?: string | Buffer };

/** A tar of these members. Without a type, a path that ends in a slash is a directory, any other a file. */
export async function makeTar(members: readonly Member[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const tar = new TarWriter((chunk) => {
    chunks.push(Buffer.from(chunk));
  });
  for (const { text, ...member } of members) {
    const body = Buffer.from(text ?? "");
    const type = member.type ?? (member.path.endsWith("/") ? "dir" : "file");
    await tar.header({ mode: type === "dir" ? 0o755 : 0o644, uid: 0, gid: 0, mtime: 1_000_000_000, type, size: body.length, ...member });
    if (type !== "file") continue;
    await tar.bytes(body);
    tar.pad();
  }
  await tar.end();
  return Buffer.concat(chunks);
}

/** An ar archive; `header` may spoil the 60 bytes of a member's header. */
export function makeAr(
  members: readonly (readonly [name: string, body: Buffer, header?: (text: string) => string])[],
  magic = "!<arch>\n",
): Buffer {
  const parts: Buffer[] = [Buffer.from(magic, "latin1")];
  for (const [name, body, spoil] of members) {
    const text = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(body.length).padEnd(10)}\`\n`;
    parts.push(Buffer.from(spoil ? spoil(text) : text, "latin1"), body);
    if (body.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

export interface DebParts {
  /** Fields of `control` over the usual ones; those with an empty value are left out. */
  readonly control?: Readonly<Record<string, string>>;
  /** Further control files: `postinst`, `md5sums`. */
  readonly scripts?: Readonly<Record<string, string>>;
  readonly files?: readonly Member[];
  readonly compression?: "none" | "gz" | "zst";
}

/** The three members of a package with these parts. */
export async function debMembers({ control = {}, scripts = {}, files = [], compression = "none" }: DebParts) {
  const fields = { Package: "x", Version: "1.0-1", Architecture: "all", Maintainer: "Nobody", Description: "a test", ...control };
  const text = Object.entries(fields)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
  const inner = [
    { path: "./" },
    { path: "./control", text },
    ...Object.entries(scripts).map(([name, body]) => ({ path: `./${name}`, text: body })),
  ];
  const pack = (tar: Buffer) => (compression === "gz" ? gzipSync(tar) : compression === "zst" ? zstdCompressSync(tar) : tar);
  const suffix = compression === "none" ? "" : `.${compression}`;
  return [
    ["debian-binary", Buffer.from("2.0\n")],
    [`control.tar${suffix}`, pack(await makeTar(inner))],
    [`data.tar${suffix}`, pack(await makeTar(files))],
  ] as const satisfies readonly (readonly [string, Buffer])[];
}

/** A whole package. */
export async function makeDeb(parts: DebParts = {}): Promise<Buffer> {
  return makeAr(await debMembers(parts));
}
