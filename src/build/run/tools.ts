import { existsSync, readFileSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import type { KnownLowers } from "../../rootfs/open.ts";
import { networkProgram, type OpenNetwork, openNetwork } from "../../sandbox/network.ts";
import { hostsFile, RESOLV_CONF, RESOLVED, resolvConf } from "../../sandbox/resolv.ts";
import type { SandboxLimits, SandboxSpec } from "../../sandbox/spec.ts";
import type { Task } from "../../task/task.ts";
import type { BuildRequest } from "../request.ts";
import { type Secrets, secretsOf } from "./secrets.ts";

/** The host name that a step finds, as under BuildKit. */
export const HOSTNAME = "buildkitsandbox";

/** What RUN steps of one build share. */
export interface RunTools {
  readonly secrets: Secrets;
  /** `--ssh` values: `default`, `ID=SOCKET|KEY[,KEY]`. */
  readonly ssh: readonly string[];
  /** Environment of the command line: where secrets may come from. */
  readonly hostEnv: NodeJS.ProcessEnv;
  /** Build arguments that every step gets although no ARG names them, and that count for no cache key: proxies. */
  readonly proxies: readonly string[];
  readonly limits: SandboxLimits;
  readonly shm: number | undefined;
  readonly hosts: Uint8Array;
  /** A network for a step, and the resolv.conf that goes with it. Opened once, when a step first needs it. */
  network(mode: string): Promise<{ readonly network: SandboxSpec["network"]; readonly resolv: Uint8Array }>;
  readonly lowers: KnownLowers;
  close(): Promise<void>;
}

/** Predefined arguments (docker's reference, "Predefined ARGs"). */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/** The tools for one request. Nothing is started before a step asks. */
export function runTools(request: BuildRequest, task: Task, hostEnv: NodeJS.ProcessEnv = process.env): RunTools {
  let opened: Promise<OpenNetwork | undefined> | undefined;
  const proxies = Object.entries(request.buildArgs).filter(([name]) => PROXIES.includes(name.toUpperCase()));
  return {
    secrets: secretsOf(request.secrets, hostEnv),
    ssh: request.ssh,
    hostEnv,
    lowers: new Map(),
    proxies: proxies.map(([name, value]) => `${name}=${value}`),
    limits: request.limits ?? {},
    shm: request.shm,
    hosts: Buffer.from(hostsFile(HOSTNAME, request.addHosts.map(hostOf))),
    async network(asked) {
      const mode = asked === "default" ? (request.network ?? "default") : asked;
      if (mode === "none") return { network: "none", resolv: resolv(true) };
      opened ??= mode === "host" ? undefined : open(networkProgram(), task);
      const own = mode === "host" ? undefined : await opened;
      return { network: own ? { join: own.join } : "host", resolv: resolv(own !== undefined) };
    },
    async close() {
      await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]();
    },
  };
}

async function open(program: ReturnType<typeof networkProgram>, task: Task): Promise<OpenNetwork | undefined> {
  const told = (why: string) => task.emit({ type: "note", text: `RUN steps use the host's network: ${why}` });
  if (!program) {
    told("neither pasta nor slirp4netns is installed (Debian: passt)");
    return undefined;
  }
  try {
    return await openNetwork(program, task);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "SANDBOX") throw error;
    told(error.message);
    return undefined;
  }
}

function resolv(isolated: boolean): Uint8Array {
  const host = existsSync(RESOLV_CONF) ? readFileSync(RESOLV_CONF, "utf8") : "";
  const resolved = existsSync(RESOLVED) ? { resolved: readFileSync(RESOLVED, "utf8") } : {};
  return Buffer.from(resolvConf({ host, isolated, ...resolved }));
}

/** `name:address` or `name=address`; the address may be of IPv6, in brackets too. */
function hostOf(text: string): { readonly name: string; readonly address: string } {
  const at = text.search(/[:=]/);
  return { name: text.slice(0, at), address: text.slice(at + 1).replace(/^\[(.*)\]$/, "$1") };
}
