/** For tests of build caches: fresh machines, a registry that is watched, and the documents of a cache. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request as forward, get } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after } from "node:test";
import { whyNot } from "../src/sandbox/testing/box.ts";
import { BUSYBOX } from "./golden/case.ts";
import { program, type Ran } from "./program.ts";
import { startOwnRegistry } from "./registries.ts";

export const skip = whyNot();
export const nought = await program();
export const registry = await startOwnRegistry();
after(() => registry.close());

export const RUNS = `FROM scratch AS base
COPY --chmod=755 busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-c"]
FROM base AS builder
RUN busybox mkdir /out && busybox head -c 300000 /dev/urandom > /out/random
COPY source /source
RUN busybox cat /source > /out/made && busybox head -c 100000 /dev/urandom > /out/noise
FROM base
RUN busybox echo hello > /greeting
COPY --from=builder /out/made /made
RUN busybox cat /made > /last
`;

/** Writes a context; the result is its name. */
export function context(name: string, dockerfile = RUNS, source = "source\n"): string {
  nought.write({ [`${name}/Dockerfile`]: dockerfile, [`${name}/source`]: source });
  copyFileSync(BUSYBOX, join(nought.dir, name, "busybox"));
  return name;
}

/** A machine of its own: a store that is empty at first. */
export class Machine {
  readonly store: string;
  constructor(name: string) {
    this.store = join(nought.dir, "..", `store-${name}`);
  }

  /** Runs nought without stopping this process, in which a registry may be. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return nought.aside(args, { NOUGHT_STORE: this.store, ...env }, 120_000);
  }

  /** A build that must succeed: its image ID, the steps it performed and those it found. */
  async build(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Built> {
    const ran = await this.run(["build", "--network=none", "--progress=plain", "--iidfile", "iid", ...args], env);
    assert.equal(ran.status, 0, ran.stderr);
    const labels = new Map([...ran.stderr.matchAll(/^#(\d+) (\[(?!internal).*)$/gm)].map((found) => [found[1], found[2] as string]));
    const steps = (word: string) =>
      [...ran.stderr.matchAll(new RegExp(`^#(\\d+) ${word}`, "gm"))].flatMap((found) => labels.get(found[1]) ?? []);
    return { id: readFileSync(join(nought.dir, "iid"), "utf8"), done: steps("DONE"), cached: steps("CACHED"), said: ran.stderr };
  }
}

export interface Built {
  readonly id: string;
  readonly done: readonly string[];
  readonly cached: readonly string[];
  readonly said: string;
}

export const runs = (built: Built) => built.done.filter((label) => label.includes("RUN"));
/** A registry behind something that tells what was asked for: `GET /v2/app/blobs/sha256:…`. */
export interface Watched extends AsyncDisposable {
  readonly host: string;
  readonly log: string[];
}

export async function watch(upstream: string): Promise<Watched> {
  const log: string[] = [];
  const server = createServer((request, response) => {
    log.push(`${request.method} ${request.url}`);
    const [hostname, port] = upstream.split(":");
    const { method, url: path, headers } = request;
    const onward = forward({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Blobs that were read, each once, in order of digest. */
export const blobsRead = (log: readonly string[]) =>
  [...new Set(log.flatMap((line) => /^GET \S*\/blobs\/(sha256:[0-9a-f]{64})/.exec(line)?.[1] ?? []))].sort();

export interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

export async function manifestOf(host: string, name: string, tag: string): Promise<Manifest> {
  const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
  return new Promise((resolve, reject) => {
    get(`http://${host}/v2/${name}/manifests/${tag}`, { headers: { accept } }, (answer) => {
      let all = "";
      answer.on("data", (chunk: Buffer) => {
        all += chunk;
      });
      answer.on("end", () => resolve(JSON.parse(all) as Manifest));
    }).on("error", reject);
  });
}

/** `[builder 3/4] COPY source /source` is `COPY source`. */
export const stepOf = (label: string) =>
  label
    .replace(/^\[[^\]]*\] /, "")
    .split(" ")
    .slice(0, 2)
    .join(" ");

/** The documents of the first cache of a layout, and a way to put others in their place. */
export function documentsOf(dir: string) {
  const read = (digest: string) => JSON.parse(readFileSync(join(dir, "blobs", digest.replace(":", "/")), "utf8"));
  const write = (value: object) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    writeFileSync(join(dir, "blobs", digest.replace(":", "/")), bytes);
    return { digest, size: bytes.length };
  };
  const index = JSON.parse(readFileSync(join(dir, "index.json"), "utf8"));
  const manifest = read(index.manifests[0].digest);
  const config = read(manifest.config.digest);
  return {
    index,
    manifest,
    config,
    replace(other: object): void {
      Object.assign(manifest.config, write(other));
      Object.assign(index.manifests[0], write(manifest));
      writeFileSync(join(dir, "index.json"), JSON.stringify(index));
    },
  };
}
