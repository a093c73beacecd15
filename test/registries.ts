/** Registries to test against, each on a free port of loopback: our own, and Debian's docker-registry where it is installed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPath } from "../src/serve/open.ts";
import { serveRegistry } from "../src/serve/server.ts";

/** A registry that runs until it is stopped; its folder goes with it. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  stop(): Promise<void>;
}

const DEBIAN = "/usr/bin/docker-registry";

/** Whether Debian's docker-registry is installed. */
export const hasDebianRegistry = existsSync(DEBIAN);

/** Our own registry in this process, over a new folder or the one given (which then stays). */
export async function startOwnRegistry(dir?: string, readOnly = false): Promise<TestRegistry> {
  const folder = dir ?? mkdtempSync(join(tmpdir(), "nought-registry-"));
  const opened = await openPath(folder, readOnly);
  const server = await serveRegistry(opened.holdings, { host: "127.0.0.1", port: 0 });
  return {
    host: `127.0.0.1:${server.port}`,
    async stop() {
      await server.close();
      opened[Symbol.dispose]();
      if (dir === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface DebianOptions {
  /** Lines for its configuration, at the top level: `auth:` and so on. */
  readonly extra?: string;
}

/** Debian's docker-registry with a folder of its own. Throws where it does not answer within ten seconds. */
export async function startDebianRegistry(options: DebianOptions = {}): Promise<TestRegistry> {
  const folder = mkdtempSync(join(tmpdir(), "nought-docker-registry-"));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  mkdirSync(join(folder, "data"));
  writeFileSync(
    join(folder, "config.yml"),
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: ${JSON.stringify(join(folder, "data"))}}
  delete: {enabled: true}
http: {addr: ${host}, relativeurls: true}
${options.extra ?? ""}`,
  );
  const child = spawn(DEBIAN, ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  const stop = async () => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  for (let left = 100; left > 0; left--) {
    if (await answers(host)) return { host, stop };
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stop();
  throw new Error("docker-registry did not start");
}

async function answers(host: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${host}/v2/`);
    await response.arrayBuffer();
    return response.status === 200 || response.status === 401;
  } catch {
    return false;
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** A port that nobody has at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
