import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { createTask } from "../../task/task.ts";
import { openArchive } from "../archive.ts";
import type { Archive, ArchiveOptions } from "../face.ts";
import { clearSign, detachedSign, type SigningKey, testKey } from "./keys.ts";

/** A package of a test mirror. Without `deb`, its bytes are a few words. */
export interface TestPackage {
  readonly name: string;
  readonly version?: string;
  readonly architecture?: string;
  readonly deb?: Buffer;
  /** Fields as they stand in the index (`Depends`, `Provides`, …); they win over what is computed. */
  readonly fields?: Readonly<Record<string, string>>;
}

export interface TestSuite {
  readonly packages?: readonly TestPackage[];
  readonly architectures?: readonly string[];
  readonly component?: string;
  /** Fields of the Release file; an empty value leaves the field out. */
  readonly release?: Readonly<Record<string, string>>;
  readonly keys?: readonly SigningKey[];
  /** Milliseconds since the epoch at which it is signed; default now. */
  readonly signedAt?: number;
  readonly form?: "gz" | "zst" | "plain";
  readonly byHash?: boolean;
  /** `inline` (InRelease), `detached` (Release and Release.gpg), `none` (Release alone). */
  readonly signature?: "inline" | "detached" | "none";
  /** Instead of the index made from `packages`. */
  readonly index?: Buffer;
}

export const DAY = 86_400_000;

/** A Debian archive in a folder of its own, with a machine whose apt knows it. Removed by dispose. */
export class TestMirror implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), "nought-debian-"));
  /** The archive root: `dists` and `pool` are in it. */
  readonly dir = join(this.base, "debian");
  readonly machine = join(this.base, "machine");
  readonly cacheDir = join(this.base, "cache");
  readonly notes: string[] = [];
  /** Paths asked for over http, and what answers instead of the file. */
  readonly asked: string[] = [];
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  readonly task = createTask((event) => event.type === "note" && this.notes.push(event.text));
  url: string;
  private server: ReturnType<typeof createServer> | undefined;
  private key: SigningKey | undefined;

  constructor() {
    mkdirSync(this.dir, { recursive: true });
    this.url = `file://${this.dir}`;
  }

  /** The key that signs unless a suite names others; its public half is the machine's keyring. */
  async ownKey(): Promise<SigningKey> {
    if (this.key === undefined) {
      this.key = await testKey();
      this.trust(this.key);
    }
    return this.key;
  }

  /** Makes these keys the machine's only ones. */
  trust(...keys: readonly SigningKey[]): void {
    this.put(join(this.machine, "usr/share/keyrings/debian-archive-keyring.gpg"), Buffer.concat(keys.map((key) => key.publicKey)));
  }

  /** Writes a suite: index, Release, signature, packages. */
  async suite(name: string, suite: TestSuite = {}): Promise<void> {
    const { packages = [], architectures = ["amd64"], component = "main", form = "gz", signature = "inline" } = suite;
    const files: { path: string; bytes: Buffer }[] = [];
    for (const architecture of architectures) {
      const own = packages.filter((one) => ["all", architecture].includes(one.architecture ?? "amd64"));
      const text = Buffer.from(own.map((one) => this.paragraph(one)).join("\n"));
      const path = `${component}/binary-${architecture}/Packages`;
      if (suite.index === undefined) files.push({ path, bytes: text });
      if (form === "gz") files.push({ path: `${path}.gz`, bytes: suite.index ?? gzipSync(text) });
      if (form === "zst") files.push({ path: `${path}.zst`, bytes: suite.index ?? zstdCompressSync(text) });
    }
    const dists = join(this.dir, "dists", name);
    rmSync(dists, { recursive: true, force: true });
    for (const { path, bytes } of files) {
      // As on Debian's mirrors, the plain form is listed and not there.
      if (form === "plain" || path.includes(".")) this.put(join(dists, path), bytes);
      if (suite.byHash) this.put(join(dists, dirname(path), "by-hash/SHA256", sha256(bytes)), bytes);
    }
    const text = releaseText(name, files, {
      ...(suite.byHash ? { "Acquire-By-Hash": "yes" } : {}),
      Architectures: architectures.join(" "),
      Components: component,
      ...suite.release,
    });
    const keys = suite.keys ?? [await this.ownKey()];
    const at = suite.signedAt ?? Date.now();
    if (signature === "inline") this.put(join(dists, "InRelease"), await clearSign(text, keys, at));
    else this.put(join(dists, "Release"), text);
    if (signature === "detached") this.put(join(dists, "Release.gpg"), await detachedSign(text, keys, at));
  }

  /** What the machine's apt has as sources; `bookworm` from this mirror where nothing is said. */
  sources(text = `Types: deb\nURIs: ${this.url}\nSuites: bookworm\nComponents: main\n`): void {
    this.put(join(this.machine, "etc/apt/sources.list.d/test.sources"), text);
  }

  /** Answers over http from here on. */
  async serve(): Promise<void> {
    this.server = createServer((request, response) => {
      const path = decodeURIComponent((request.url ?? "").split("?")[0] ?? "");
      this.asked.push(path);
      if (this.answer?.(request, response)) return;
      try {
        const file = join(this.base, path);
        const etag = `"${statSync(file).mtimeMs}-${sha256(readFileSync(file)).slice(0, 8)}"`;
        if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
        else response.writeHead(200, { etag }).end(readFileSync(file));
      } catch {
        response.writeHead(404).end("no such file");
      }
    });
    await new Promise<void>((resolve) => this.server?.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/debian`;
  }

  /** An archive as this machine sees it: asks always, has no configuration and no proxy of its own. */
  open(options: Partial<ArchiveOptions> = {}): Archive {
    const env = { XDG_CONFIG_HOME: join(this.base, "config") };
    return openArchive(
      { suite: "bookworm", cacheDir: this.cacheDir, root: this.machine, env, maxAge: 0, extraSuites: [], ...options },
      this.task,
    );
  }

  put(path: string, bytes: string | Uint8Array): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }

  /** Writes the package into the pool and returns its paragraph of the index. */
  private paragraph({ name, version = "1.0", architecture = "amd64", deb, fields = {} }: TestPackage): string {
    const bytes = deb ?? Buffer.from(`the bytes of ${name} ${version}\n`);
    const path = `pool/main/${name[0] ?? "x"}/${name}/${name}_${version.replace(/^\d+:/, "")}_${architecture}.deb`;
    if (fields["Filename"] === undefined) this.put(join(this.dir, path), bytes);
    const all: Record<string, string> = {
      Package: name,
      Version: version,
      Architecture: architecture,
      Filename: path,
      Size: String(bytes.length),
      SHA256: sha256(bytes),
      ...fields,
    };
    return `${Object.entries(all)
      .filter(([, value]) => value !== "")
      .map(([key, value]) => `${key}: ${value}\n`)
      .join("")}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise<void>((resolve) => (this.server === undefined ? resolve() : this.server.close(() => resolve())));
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** A Release file that lists these files. */
export function releaseText(
  name: string,
  files: readonly { path: string; bytes: Buffer }[],
  fields: Readonly<Record<string, string>> = {},
): string {
  const all: Record<string, string> = {
    Origin: "Test",
    Label: "Test",
    Suite: name,
    Codename: name,
    Date: new Date().toUTCString().replace("GMT", "UTC"),
    SHA256: files.map(({ path, bytes }) => `\n ${sha256(bytes)} ${bytes.length} ${path}`).join(""),
    ...fields,
  };
  return Object.entries(all)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}:${value.startsWith("\n") ? "" : " "}${value}\n`)
    .join("");
}

/** 64 hex digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
