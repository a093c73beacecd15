import { buildBase } from "../../base/build.ts";
import { defaultSuite } from "../../base/default-suite.ts";
import { openArchiveOf } from "../../base/embedded.ts";
import type { Recipe } from "../../base/recipe.ts";
import { DOCUMENTATION } from "../../base/recipe-parts.ts";
import { Failure } from "../../kit/error.ts";
import { hostPlatform, parsePlatform } from "../../oci/platform.ts";
import { parseNewName } from "../../oci/reference.ts";
import { createTask } from "../../task/task.ts";
import { archiveChoice } from "../base/choice.ts";
import type { Invocation } from "../command.ts";
import { tellNotes } from "../container/notes.ts";

/** `nought base slice`: packages cut down to what some programs of theirs can reach. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args } = call;
  const needs = flags.list("needs");
  if (needs.length === 0) throw new Failure("USAGE", "--needs PROGRAM is needed: it says what must work in the image");
  const names = flags.list("tag").map(parseNewName);
  const choice = archiveChoice(flags, call.env);
  const task = createTask(tellNotes(call), call.signal);
  const suite = choice.suite ?? defaultSuite(choice, (text) => task.emit({ type: "note", text }));
  const title = `what ${needs.join(", ")} can reach`;
  const recipe: Recipe = {
    stages: [{ title, packages: args, assume: ["debconf", ...flags.list("assume")], exclude: DOCUMENTATION, needs }],
    config: { env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" } },
  };
  const store = await call.store();
  const archive = await openArchiveOf(suite, store, choice, task);
  try {
    const given = flags.list("platform");
    const platforms = given.length === 0 ? [hostPlatform()] : given.map(parsePlatform);
    const { root, images } = await buildBase({ recipe, suite, platforms, names }, archive, store, task);
    const [first] = images;
    call.out(`${images.length === 1 && first ? first.image.configDescriptor.digest : root.digest}\n`);
  } finally {
    archive[Symbol.dispose]();
  }
}
