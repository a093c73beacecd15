import { closeSync, mkdirSync, renameSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly } from "./atomic.ts";
import { Failure } from "./error.ts";
import { livenessOf, makerOf, uniqueToken } from "./liveness.ts";
import { namesIn } from "./look.ts";
import { printable } from "./printable.ts";
import { errnoOf, storageFailure } from "./storage-failure.ts";

export interface LockOptions {
  /** Milliseconds to wait for a living holder before giving up. Default 60,000. */
  readonly timeoutMs?: number;
  /** Told once, after half a second of waiting. */
  readonly onWait?: (text: string) => void;
}

export interface Lock extends Disposable {
  /** Gives the lock back. Harmless when done twice. */
  release(): void;
}

/** Tokens of locks that were released here but whose files could not be removed. */
const givenBack = new Set<string>();

/**
 * A lock between processes that dies with its holder. `folder` must exist; the lock is the folder `held` in it, holding one
 * empty file named after the holder. Taking it is a rename of a prepared folder onto `held`, which rename(2) performs only
 * where `held` is absent or empty. A dead holder's file is unlinked by its own, unique name, so that however many processes
 * do so at once, none can remove the file of a later holder. docs/decisions/0003-store.md has the whole argument.
 * Throws STORAGE when a living process keeps it beyond the timeout, or when the disk refuses.
 */
export async function acquireLock(folder: string, options: LockOptions = {}): Promise<Lock> {
  const token = uniqueToken();
  const held = join(folder, "held");
  const claim = join(folder, `claim-${token}`);
  try {
    mkdirSync(claim, { mode: 0o700 });
    closeSync(createPrivate(join(claim, token)));
    await waitFor(held, claim, options);
  } catch (error) {
    quietly(() => rmSync(claim, { recursive: true, force: true }));
    throw storageFailure(error, "could not take the lock", held);
  }
  let mine = true;
  const release = () => {
    if (!mine) return;
    mine = false;
    try {
      unlinkSync(join(held, token));
    } catch {
      // The disk refuses; at least this process must not wait for itself.
      givenBack.add(token);
    }
    // From here on anybody may rename his folder onto the empty one; then it is not empty and stays.
    quietly(() => rmdirSync(held));
  };
  return { release, [Symbol.dispose]: release };
}

/** Removes claims that dead processes left in the folder. Only for the holder of the lock or for tidying: never needed. */
export function sweepClaims(folder: string): void {
  for (const name of namesIn(folder)) {
    const who = name.startsWith("claim-") ? makerOf(name.slice(6)) : undefined;
    if (who && livenessOf(who) === "dead") quietly(() => rmSync(join(folder, name), { recursive: true, force: true }));
  }
}

async function waitFor(held: string, claim: string, options: LockOptions): Promise<void> {
  const started = performance.now();
  const timeout = options.timeoutMs ?? 60_000;
  let pause = 2;
  let told = false;
  while (!renamed(claim, held)) {
    const [name] = namesIn(held);
    if (name === undefined) continue;
    const who = makerOf(name);
    if (givenBack.has(name) || (who && livenessOf(who) === "dead")) {
      quietly(() => unlinkSync(join(held, name)));
      continue;
    }
    const waited = performance.now() - started;
    const holder = who ? `process ${who.pid}` : `something unknown ("${printable(name)}")`;
    if (waited >= timeout)
      throw new Failure("STORAGE", `${holder} has held the lock ${printable(held)} for more than ${Math.round(timeout / 1000)} seconds`, {
        hint: who ? `Let process ${who.pid} go on or end it, then try again.` : "Remove that file if no nought is at work, then try again.",
      });
    if (!told && waited >= 500) {
      told = true;
      options.onWait?.(`waiting for ${holder}, which is changing the store`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 100);
  }
}

/** Whether the claim became the lock. */
function renamed(claim: string, held: string): boolean {
  try {
    renameSync(claim, held);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw error;
  }
}
