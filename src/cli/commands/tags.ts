import type { Invocation } from "../command.ts";
import { checkBare, openNamed } from "../registry/open.ts";

/** `nought tags`: the tags of a repository, one a line. */
export async function run(call: Invocation): Promise<void> {
  const { name, place } = await openNamed(call, call.args[0] as string, "pull");
  await using repository = place;
  checkBare(name, "tags");
  const tags = await repository.tags();
  if (call.flags.bool("json")) call.out(`${JSON.stringify(tags)}\n`);
  else if (tags.length > 0) call.out(`${tags.join("\n")}\n`);
}
