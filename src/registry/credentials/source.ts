import { join } from "node:path";
import { printable } from "../../kit/printable.ts";
import type { Credential, CredentialSource } from "../face.ts";
import { type AuthFile, credentialIn, readAuthFile } from "./auth-file.ts";
import { helperGet } from "./helper.ts";
import { keyFor, registryOf } from "./keys.ts";

/** What finding credentials needs. */
export interface SourceOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Told once about files that others may read. */
  readonly warn: (text: string) => void;
  readonly helperMs?: number;
}

/** The file in which docker keeps its configuration. */
export function dockerConfig(env: NodeJS.ProcessEnv): string {
  return join(env["DOCKER_CONFIG"] || join(env["HOME"] || "/", ".docker"), "config.json");
}

/** The files that are asked, first come first served. REGISTRY_AUTH_FILE alone where it is set. containers-auth.json(5). */
export function authFiles(env: NodeJS.ProcessEnv): readonly string[] {
  const named = env["REGISTRY_AUTH_FILE"];
  if (named) return [named];
  const files: string[] = [];
  if (env["DOCKER_CONFIG"]) files.push(dockerConfig(env));
  if (env["XDG_RUNTIME_DIR"]) files.push(join(env["XDG_RUNTIME_DIR"], "containers/auth.json"));
  files.push(join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || "/", ".config"), "containers/auth.json"));
  if (!env["DOCKER_CONFIG"]) files.push(dockerConfig(env));
  return files;
}

/** Credentials from docker's and podman's files and the helpers they name. Nothing is read before a registry asks who we are. */
export function createSource(options: SourceOptions): CredentialSource {
  const { env, warn } = options;
  const warned = new Set<string>();
  return {
    async find(registry, repository) {
      for (const path of authFiles(env)) {
        const file = readAuthFile(path);
        if (!file) continue;
        const found = (await fromHelper(file, registry, options)) ?? credentialIn(file, registry, repository);
        if (!found) continue;
        if (file.open && !warned.has(path) && Object.keys(file.auths).length > 0) {
          warned.add(path);
          warn(`others on this machine can read the credentials in ${printable(path)}: chmod 600 is better`);
        }
        return found;
      }
      return undefined;
    },
  };
}

/** The helper that a file names for a registry: its own, else the one for everything. */
export function helperFor(file: AuthFile | undefined, registry: string): string | undefined {
  if (!file) return undefined;
  for (const [key, name] of Object.entries(file.helpers)) {
    if (typeof name === "string" && registryOf(key.replace(/^https?:\/\//, "").replace(/\/.*$/, "")) === registryOf(registry)) return name;
  }
  return file.store;
}

async function fromHelper(file: AuthFile, registry: string, options: SourceOptions): Promise<Credential | undefined> {
  const name = helperFor(file, registry);
  if (name === undefined) return undefined;
  const { env, signal, helperMs } = options;
  return helperGet({ name, env, signal, ...(helperMs === undefined ? {} : { timeoutMs: helperMs }) }, keyFor(registry));
}
