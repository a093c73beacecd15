import { buildBase } from "../../base/build.ts";
import { openArchiveOf } from "../../base/embedded.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hostPlatform, type Platform, parsePlatform } from "../../oci/platform.ts";
import { familiarName, parseNewName } from "../../oci/reference.ts";
import { createTask } from "../../task/task.ts";
import { archiveChoice } from "../base/choice.ts";
import { readLock, writeLock } from "../base/read-lock.ts";
import { findRecipe } from "../base/recipe.ts";
import type { Invocation } from "../command.ts";
import { tellNotes } from "../container/notes.ts";
import { createRenderer, progressMode } from "../render/progress.ts";

/** `nought base build`: a recipe becomes an image of the store, and its packages are pinned in a lock file. */
export async function run(call: Invocation): Promise<number> {
  const { flags } = call;
  const quiet = flags.bool("quiet");
  const names = flags.list("tag").map(parseNewName);
  const path = flags.string("lock");
  const lock = path === undefined ? undefined : readLock(path);
  const choice = archiveChoice(flags, call.env);
  const { recipe, suite } = await findRecipe(
    call.args[0] as string,
    flags.string("suite") ?? lock?.suite,
    choice,
    createTask(tellNotes(call), call.signal),
  );
  if (lock && lock.suite !== suite)
    throw new Failure("USAGE", `the lock file ${printable(path as string)} is for ${printable(lock.suite)}, not for ${printable(suite)}`, {
      exit: 1,
      hint: "Name another lock file, or bring this one up to date with `nought base update --write`.",
    });
  const mode = quiet ? "quiet" : progressMode(flags.given("progress") ? flags.string("progress") : undefined, call.env);
  const renderer = await createRenderer(mode, call.env);
  const task = createTask(renderer.listener, call.signal);
  const step = { type: "step", id: "internal/base", label: `[internal] make the image from packages of ${printable(suite)}` } as const;
  try {
    const store = await call.store();
    const archive = await openArchiveOf(suite, store, choice, task);
    task.emit({ ...step, state: "started" });
    const platforms = platformsOf(flags.list("platform"));
    const request = { recipe, suite, platforms, names, ...(lock ? { lock: { value: lock, where: path as string } } : {}) };
    const result = await buildBase(request, archive, store, task);
    if (path !== undefined && result.lock !== lock) writeLock(path, result.lock);
    for (const name of names) task.emit({ type: "status", id: step.id, text: `naming to ${familiarName(name)}` });
    task.emit({ ...step, state: "done" });
    renderer.finish();
    const [first] = result.images;
    const id = result.images.length === 1 && first ? first.image.configDescriptor.digest : result.root.digest;
    call.out(`${id}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) {
      renderer.finish();
      throw error;
    }
    task.emit({ ...step, state: "failed", failure: error });
    renderer.finish(error);
    if (renderer.tellsFailure) return error.exit;
    throw error;
  }
}

/** Platforms of the flag, or this machine's. */
function platformsOf(given: readonly string[]): readonly Platform[] {
  return given.length === 0 ? [hostPlatform()] : given.map(parsePlatform);
}
