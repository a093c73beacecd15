import { DEFAULT_REGISTRY, DEFAULT_REGISTRY_HOST, type Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import type { Merged } from "./config/files.ts";
import { createSource } from "./credentials/source.ts";
import type { CredentialSource, RegistryOptions } from "./face.ts";

/** Registries as this machine and this user have them configured. */
export interface Surroundings extends RegistryOptions {
  /** What a name may stand for that was written without a registry. */
  candidates(text: string): Promise<readonly Reference[]>;
}

/**
 * The usual options: registries.conf, docker's and podman's credentials, certs.d. Files are read when they are needed, and once.
 * `credentials` takes the place of those of the files (`login` tries what it was told). `root` is where /etc is looked for.
 */
export function surroundings(
  env: NodeJS.ProcessEnv,
  task: Task,
  more: { readonly credentials?: CredentialSource; readonly root?: string; readonly retryMs?: number } = {},
): Surroundings {
  let conf: Promise<Merged> | undefined;
  const read = () => (conf ??= import("./config/files.ts").then(({ readConfiguration }) => readConfiguration(env, more.root)));
  const warn = (text: string) => task.emit({ type: "note", text });
  return {
    env,
    credentials: more.credentials ?? createSource({ env, signal: task.signal, warn }),
    locate: async (name) => (await import("./config/locate.ts")).locate(name, await read()),
    candidates: async (text) => (await import("./config/short-names.ts")).candidates(text, await read()),
    async tls(host) {
      const { certificatesFor } = await import("./config/certificates.ts");
      return certificatesFor(host === DEFAULT_REGISTRY_HOST ? DEFAULT_REGISTRY : host, env, more.root);
    },
    ...(more.retryMs === undefined ? {} : { retryMs: more.retryMs }),
  };
}
