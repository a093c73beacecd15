/** A registry on loopback for one measurement: Debian's docker-registry where it is installed, else nought's own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { answers, freePort } from "../test/ports.ts";
import { noughtPrefix, peerPrefix } from "./tools.ts";

export interface BenchRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Ends it and removes what it held. */
  close(): Promise<void>;
}

/** What `startRegistry` starts, for the head of the table. */
export function registryName(): string {
  return peerPrefix("registry")?.join(" ") ?? (peerPrefix("docker-registry") ? "docker-registry" : "nought registry serve");
}

/**
 * Starts a registry that keeps its blobs in `dir`. The command of `NOUGHT_BENCH_REGISTRY` gets the file of its configuration as its last word, as
 * `docker-registry serve` does. Throws Error where it does not answer within ten seconds.
 */
export async function startRegistry(dir: string): Promise<BenchRegistry> {
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  // JSON is YAML.
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, "data") }, maintenance: { uploadpurging: { enabled: false } } },
    http: { addr: host, secret: "not one" },
  };
  writeFileSync(join(dir, "config.yml"), JSON.stringify(config));
  const distribution = peerPrefix("registry") ?? (peerPrefix("docker-registry") && ["docker-registry", "serve"]);
  const [program = "", ...words] = distribution
    ? [...distribution, join(dir, "config.yml")]
    : [...noughtPrefix(), "registry", "serve", "--quiet", "--listen", host, join(dir, "data")];
  const child = spawn(program, words, { stdio: "ignore", env: { ...process.env, OTEL_TRACES_EXPORTER: "none" } });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.once("error", () => {});
  for (let n = 0; !(await answers(port)); n++) {
    if (n > 400 || child.exitCode !== null || child.pid === undefined) {
      child.kill("SIGKILL");
      throw new Error(`${program} does not start`);
    }
    await sleep(25);
  }
  const stop = endsWithUs(child);
  return {
    host,
    async close() {
      stop();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function endsWithUs(child: ChildProcess): () => void {
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  return () => {
    process.off("exit", kill);
    kill();
  };
}
