import { readFileSync, realpathSync, statSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { errnoOf, storageFailure } from "../../kit/storage-failure.ts";
import type { Credential } from "../face.ts";
import { keyFit } from "./keys.ts";

/** Docker's config.json or podman's auth.json as it was read; every field is kept. */
export interface AuthFile {
  readonly path: string;
  readonly document: Record<string, unknown>;
  readonly auths: Readonly<Record<string, unknown>>;
  /** Helper for everything, and helpers by registry. */
  readonly store: string | undefined;
  readonly helpers: Readonly<Record<string, unknown>>;
  /** Whether others than its owner may read it. */
  readonly open: boolean;
}

/** Reads an auth file; undefined where it is missing. Throws AUTH for one that cannot be understood, without a word of what it holds. */
export function readAuthFile(path: string): AuthFile | undefined {
  const wrong = (why: string) => new Failure("AUTH", `${printable(path)}: ${why}`, { hint: "Mend or remove the file, then log in again." });
  let text: string;
  let open: boolean;
  try {
    const stat = statSync(realpathSync(path));
    if (!stat.isFile()) throw wrong("it is no file");
    if (stat.size > LIMITS.credentialBytes)
      throw wrong(`it has ${stat.size} bytes; ${LIMITS.credentialBytes} are read (limit credentialBytes)`);
    open = (stat.mode & 0o077) !== 0;
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw storageFailure(error, "could not read", path);
  }
  let document: unknown;
  try {
    document = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    throw wrong("it is not valid JSON");
  }
  if (!isTable(document)) throw wrong("it is no JSON object");
  const { auths = {}, credsStore, credHelpers = {} } = document;
  if (!isTable(auths ?? {})) throw wrong("auths is no object");
  if (!isTable(credHelpers ?? {})) throw wrong("credHelpers is no object");
  return {
    path,
    document,
    auths: (auths ?? {}) as Record<string, unknown>,
    store: typeof credsStore === "string" && credsStore !== "" ? credsStore : undefined,
    helpers: (credHelpers ?? {}) as Record<string, unknown>,
    open,
  };
}

/** The credential that the file itself holds for a repository: the longest key that fits. Throws AUTH for one that cannot be read. */
export function credentialIn(file: AuthFile, registry: string, repository: string): Credential | undefined {
  let best: { readonly entry: unknown; readonly key: string } | undefined;
  let length = 0;
  for (const [key, entry] of Object.entries(file.auths)) {
    const fit = keyFit(key, registry, repository);
    // A plain key wins over docker's old URLs of the same host.
    if (fit > length || (fit === length && fit > 0 && best?.key.includes("://"))) {
      best = { entry, key };
      length = fit;
    }
  }
  if (!best || !isTable(best.entry)) return undefined;
  return credentialOf(best.entry, `${printable(file.path)}: the entry ${printable(best.key)}`);
}

function credentialOf(entry: Record<string, unknown>, where: string): Credential | undefined {
  const { auth, identitytoken, username, password } = entry;
  if (typeof identitytoken === "string" && identitytoken !== "") return { kind: "identity", token: identitytoken };
  if (typeof auth === "string" && auth !== "") {
    const bytes = Buffer.from(auth, "base64");
    const text = bytes.toString("utf8").replace(/\0+$/, "");
    const colon = text.indexOf(":");
    if (bytes.length === 0 || !/^[A-Za-z0-9+/_-]*={0,2}\s*$/.test(auth)) throw new Failure("AUTH", `${where}: auth is not base64`);
    if (colon <= 0) throw new Failure("AUTH", `${where}: auth is not user:password`);
    return { kind: "password", username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  if (typeof username === "string" && username !== "" && typeof password === "string") return { kind: "password", username, password };
  return undefined;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
