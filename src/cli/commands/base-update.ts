import { openArchiveOf } from "../../base/embedded.ts";
import { type Lock, recipeDigest, withPlatform } from "../../base/lock.ts";
import { movesBetween } from "../../base/moves.ts";
import { pin } from "../../base/pinned.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { createTask } from "../../task/task.ts";
import { archiveChoice } from "../base/choice.ts";
import { readLock, writeLock } from "../base/read-lock.ts";
import { findRecipe } from "../base/recipe.ts";
import type { Invocation } from "../command.ts";
import { tellNotes } from "../container/notes.ts";

/** `nought base update`: what the packages of a lock would be if they were chosen now. The exit code is 0, moved or not. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const path = flags.string("lock");
  if (path === undefined) throw new Failure("USAGE", "--lock FILE is needed: it is the lock that is compared");
  const before = readLock(path);
  if (!before)
    throw new Failure("NOT_FOUND", `there is no lock file ${printable(path)}`, { hint: "`nought base build --lock FILE` makes one." });
  const task = createTask(tellNotes(call), call.signal);
  const choice = archiveChoice(flags, call.env);
  const { recipe, suite } = await findRecipe(call.args[0] as string, flags.string("suite") ?? before.suite, choice, task);
  const archive = await openArchiveOf(suite, await call.store(), choice, task);
  let lock: Lock =
    before.recipe === recipeDigest(recipe) && before.suite === suite
      ? before
      : { ...before, suite, recipe: recipeDigest(recipe), platforms: {} };
  let moved = 0;
  for (const [name, { layers }] of Object.entries(before.platforms)) {
    const platform = parsePlatform(name);
    const pinned = await pin(recipe, platform, archive, task);
    for (const move of movesBetween(layers.flat(), pinned.stages.flat())) {
      moved++;
      const versions = [move.from?.version, move.to?.version].filter((one) => one !== undefined).map(printable);
      call.out(`${name}\t${move.kind}\t${printable(move.name)}\t${versions.join(" -> ")}\n`);
    }
    lock = withPlatform(lock, recipe, suite, platform, pinned);
  }
  if (moved === 0) call.err("Nothing would move.\n");
  if (flags.bool("write")) writeLock(path, lock);
  else if (moved > 0) call.err("Nothing was written; --write brings the lock up to date.\n");
}
