import { defaultSuite } from "../../base/default-suite.ts";
import type { ArchiveChoice } from "../../base/embedded.ts";
import { embeddedRecipe, readTag } from "../../base/embedded-recipes.ts";
import { forSuite, type Recipe } from "../../base/recipe.ts";
import { readRecipe } from "../../base/recipe-file.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Task } from "../../task/task.ts";

/** A recipe and the suite that it is built for. */
export interface FoundRecipe {
  readonly recipe: Recipe;
  readonly suite: string;
}

/**
 * The word of the command line: a file, or the name of an embedded image. `suite` is what a flag or a lock says; without one it is the
 * recipe's, else the default where packages come from as `choice` says. Throws NOT_FOUND, USAGE.
 */
export async function findRecipe(word: string, suite: string | undefined, choice: ArchiveChoice, task: Task): Promise<FoundRecipe> {
  const byDefault = () => defaultSuite(choice, (text) => task.emit({ type: "note", text }));
  const [, name, given = "latest"] = /^nought\/([a-z-]+)(?::([a-z-]+))?$/.exec(word) ?? [];
  if (name === undefined) {
    const recipe = await readRecipe(word);
    const chosen = suite ?? recipe.suite ?? byDefault();
    return { recipe: forSuite(recipe, chosen), suite: chosen };
  }
  const tag = readTag(given);
  const recipe = tag && embeddedRecipe(name, tag);
  if (!tag || !recipe) throw new Failure("NOT_FOUND", `${printable(word)}: there is no such embedded image`);
  const chosen = suite ?? tag.suite ?? byDefault();
  return { recipe: forSuite(recipe, chosen), suite: chosen };
}
