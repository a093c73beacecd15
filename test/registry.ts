/** Starts Debian's docker-registry on a port of this machine, with a folder of its own. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Location } from "../src/registry/face.ts";
import { answers, freePort } from "./ports.ts";

/** Whether the program is here; tests that need it are skipped without. */
export const hasRegistry = spawnSync("docker-registry", ["--version"]).status === 0;
export const noRegistry = hasRegistry ? {} : { skip: "docker-registry is not installed" };

const DIES_WITH_US = spawnSync("setpriv", ["--version"]).status === 0 ? ["setpriv", "--pdeathsig", "KILL"] : [];

export interface RunningRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Folder of everything that belongs to it. */
  readonly dir: string;
  /** Certificate of the authority, with `tls`. */
  readonly ca: string | undefined;
  close(): Promise<void>;
}

/** User and password of a registry with `auth`. */
export const WHO = { username: "tester", password: "pass:word with ümlaut" } as const;

export interface RegistrySetup {
  readonly auth?: boolean;
  readonly tls?: boolean;
  /** Without it nothing can be deleted. */
  readonly deletes?: boolean;
}

/** A registry that answers. Ended and its folder removed by `close`. */
export async function startRegistry(setup: RegistrySetup = {}): Promise<RunningRegistry> {
  const dir = mkdtempSync(join(tmpdir(), "nought-registry-"));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const ca = setup.tls ? certificates(dir) : undefined;
  if (setup.auth) {
    const { status, stdout, stderr } = spawnSync("htpasswd", ["-Bbn", WHO.username, WHO.password], { encoding: "utf8" });
    if (status !== 0) throw new Error(`htpasswd: ${stderr}`);
    writeFileSync(join(dir, "htpasswd"), stdout);
  }
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(dir, "data") },
      delete: { enabled: setup.deletes ?? true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      addr: host,
      secret: "not one",
      ...(setup.tls ? { tls: { certificate: join(dir, "server.crt"), key: join(dir, "server.key") } } : {}),
    },
    ...(setup.auth ? { auth: { htpasswd: { realm: "here", path: join(dir, "htpasswd") } } } : {}),
  };
  // JSON is YAML.
  writeFileSync(join(dir, "config.yml"), JSON.stringify(config));
  // It ends with this process even where that is killed.
  const [program = "", ...words] = [...DIES_WITH_US, "docker-registry", "serve", join(dir, "config.yml")];
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-4000);
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const close = async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  for (let n = 0; !(await answers(port)); n++) {
    if (n > 200 || child.exitCode !== null) {
      await close();
      throw new Error(`docker-registry does not start: ${said}`);
    }
    await sleep(25);
  }
  return { host, dir, ca: ca && readFileSync(ca, "utf8"), close };
}

/** What a configuration without a word says about a name at `host`. */
export function locationAt(host: string, repository: string, more: Partial<Location> = {}): Location {
  return { host, repository, insecure: false, tokenServers: [], mirror: false, serves: "all", ...more };
}

/** An authority, and a certificate of it for 127.0.0.1 and localhost. */
function certificates(dir: string): string {
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: dir, encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  run("req", "-x509", ...curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", "-days", "30");
  run("req", "-new", ...curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  writeFileSync(join(dir, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  run(..."x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt".split(" "));
  return join(dir, "ca.crt");
}
