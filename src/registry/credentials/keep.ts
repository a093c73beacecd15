import { chmodSync, lstatSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { quietly, replaceFile, syncDirectorySync } from "../../kit/atomic.ts";
import { uniqueToken } from "../../kit/liveness.ts";
import { acquireLock } from "../../kit/lock.ts";
import { makeFolder } from "../../kit/make-folder.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import type { Credential } from "../face.ts";
import { readAuthFile } from "./auth-file.ts";
import { type Helper, helperErase, helperStore } from "./helper.ts";
import { keyFit, keyFor } from "./keys.ts";
import { dockerConfig, helperFor } from "./source.ts";

/** Where a login is kept. */
export type Kept = { readonly in: "file"; readonly path: string } | { readonly in: "helper"; readonly name: string };

/** The file that logins are written to: REGISTRY_AUTH_FILE, else docker's. */
export function loginFile(env: NodeJS.ProcessEnv): string {
  return env["REGISTRY_AUTH_FILE"] || dockerConfig(env);
}

/**
 * Keeps a credential where docker would: with the helper that the file names, else in the file, which is written whole, with mode 0600,
 * every other field and a link in its place kept. Throws AUTH, STORAGE.
 */
export async function keepCredential(registry: string, credential: Credential, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Kept> {
  const path = loginFile(env);
  const name = helperFor(readAuthFile(path), registry);
  const key = keyFor(registry);
  if (name !== undefined) {
    await helperStore({ name, env, signal }, key, credential);
    // Docker notes in the file for whom the helper has something.
    await change(path, (auths) => void (auths[key] = {}));
    return { in: "helper", name };
  }
  await change(path, (auths) => void (auths[key] = entryOf(credential)));
  return { in: "file", path };
}

/** Forgets the credentials of a registry. False where there were none. Throws AUTH, STORAGE. */
export async function dropCredential(registry: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<boolean> {
  const path = loginFile(env);
  const file = readAuthFile(path);
  if (!file) return false;
  const name = helperFor(file, registry);
  const helper: Helper | undefined = name === undefined ? undefined : { name, env, signal };
  const erased = helper ? await helperErase(helper, keyFor(registry)) : false;
  const mine = (key: string) => keyFit(key, registry, "") === 1;
  if (!Object.keys(file.auths).some(mine)) return erased;
  await change(path, (auths) => {
    for (const key of Object.keys(auths)) if (mine(key)) delete auths[key];
  });
  return true;
}

function entryOf(credential: Credential): Record<string, string> {
  if (credential.kind === "identity") {
    // podman reads no entry without a user, docker does not mind.
    const { username = "", token } = credential;
    return { auth: Buffer.from(`${username}:`).toString("base64"), identitytoken: token };
  }
  return { auth: Buffer.from(`${credential.username}:${credential.password}`).toString("base64") };
}

/** Changes the auths of a file while nobody else of us does. */
async function change(given: string, edit: (auths: Record<string, unknown>) => void): Promise<void> {
  try {
    makeFolder(dirname(given), 0o700);
    const path = lstatSync(given, { throwIfNoEntry: false })?.isSymbolicLink() ? realpathSync(given) : given;
    const folder = dirname(path);
    using _lock = await acquireLock(folder);
    const file = readAuthFile(path);
    const auths = { ...file?.auths };
    edit(auths);
    const text = `${JSON.stringify({ ...file?.document, auths }, undefined, "\t")}\n`;
    replaceFile(join(folder, `.nought-${uniqueToken()}`), path, Buffer.from(text), { mode: 0o600, durable: true });
    quietly(() => syncDirectorySync(folder));
    quietly(() => chmodSync(path, 0o600));
  } catch (error) {
    throw storageFailure(error, "could not write", given);
  }
}
