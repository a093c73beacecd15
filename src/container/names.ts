import { randomInt } from "node:crypto";
import { linkSync, mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { acquireLock } from "../kit/lock.ts";
import { lookAt } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";
import { namesFolder, placesOf } from "./places.ts";
import { ADJECTIVES, SURNAMES } from "./words.ts";

/** Names that file systems take whatever their encoding; docker has no limit of its own. */
const LONGEST = 200;

/** Throws USAGE for a name that docker refuses as well: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. */
export function checkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name))
    throw new Failure("USAGE", `Invalid container name (${printable(name.slice(0, 80))}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  if (name.length > LONGEST) throw new Failure("USAGE", `the container name is ${name.length} characters long; ${LONGEST} are accepted`);
}

/**
 * Takes a name for the container with this id; of several processes that want the same name one gets it. The file appears whole, by a
 * hard link, and says whose it is. A name whose container is gone, or whose maker died before there was one, is free. Throws
 * CONFLICT with docker's words, STORAGE.
 */
export async function claimName(store: string, name: string, id: string): Promise<void> {
  const folder = namesFolder(store);
  const token = uniqueToken();
  const temporary = join(folder, `.${token}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${id} ${token}\n`, { flag: "wx", mode: 0o600 });
    for (let tries = 0; ; tries++) {
      try {
        linkSync(temporary, join(folder, name));
        return;
      } catch (error) {
        if (errnoOf(error) !== "EEXIST" || tries > 10) throw error;
      }
      const owner = ownerOf(store, name);
      if (owner !== undefined && owner.taken)
        throw new Failure(
          "CONFLICT",
          `Conflict. The container name "/${name}" is already in use by container "${owner.id}". You have to remove (or rename) that container to be able to reuse that name.`,
          { hint: `Choose another name, or: nought rm ${name}` },
        );
      if (owner !== undefined) await freeStale(store, name, owner.token);
    }
  } catch (error) {
    throw storageFailure(error, "could not take the name", join(folder, name));
  } finally {
    quietly(() => unlinkSync(temporary));
  }
}

/** Takes a name away that nobody holds any more. Under a lock: what is looked at must be what is removed. */
async function freeStale(store: string, name: string, token: string): Promise<void> {
  await unlinkIf(store, name, (text) => text.trim().endsWith(` ${token}`));
}

/** Gives a name back if it still belongs to that container. */
export async function releaseName(store: string, name: string, id: string): Promise<void> {
  await unlinkIf(store, name, (text) => text.startsWith(`${id} `));
}

async function unlinkIf(store: string, name: string, fits: (text: string) => boolean): Promise<void> {
  const folder = namesFolder(store);
  const lockFolder = join(folder, ".lock");
  try {
    mkdirSync(lockFolder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailure(error, "could not give back the name", join(folder, name));
  }
  using _lock = await acquireLock(lockFolder);
  quietly(() => {
    if (fits(readSmallFile(join(folder, name), 1024)?.toString("latin1") ?? "")) unlinkSync(join(folder, name));
  });
}

function ownerOf(store: string, name: string): { readonly id: string; readonly token: string; readonly taken: boolean } | undefined {
  const text = readSmallFile(join(namesFolder(store), name), 1024)?.toString("latin1");
  if (text === undefined) return undefined;
  const [id = "", token = ""] = text.trim().split(" ");
  const maker = makerOf(token);
  const making = maker !== undefined && livenessOf(maker) !== "dead";
  return { id, token, taken: making || (/^[0-9a-f]{64}$/.test(id) && lookAt(placesOf(store, id).dir) !== undefined) };
}

/** Takes a name nobody has: an adjective and a surname, as docker's, with a digit when luck runs out. Gives the name. */
export async function claimAnyName(store: string, id: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const pick = (words: readonly string[]) => words[randomInt(words.length)] as string;
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}${tries < 5 ? "" : randomInt(10 ** Math.min(9, tries - 4))}`;
    try {
      await claimName(store, name, id);
      return name;
    } catch (error) {
      if (!(error instanceof Failure && error.code === "CONFLICT") || tries > 20) throw error;
    }
  }
}
