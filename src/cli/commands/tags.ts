import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { formatReference } from "../../oci/reference.ts";
import type { Invocation } from "../command.ts";
import { checkBare, openNamed } from "../registry/open.ts";

/** `nought tags`: the tags of a repository, one a line. */
export async function run(call: Invocation): Promise<void> {
  const { name, place } = await openNamed(call, call.args[0] as string, "pull");
  await using repository = place;
  checkBare(name, "tags");
  const tags = await repository.tags().catch((error: unknown) => {
    if (!(error instanceof Failure) || error.code !== "NOT_FOUND") throw error;
    throw new Failure("NOT_FOUND", `${formatReference(name)}: the registry knows no such repository, or tells nobody of it`, {
      hint: `\`nought search ${printable(name.registry)}/\` lists its repositories, where it lets them be listed.`,
      cause: error,
    });
  });
  if (call.flags.bool("json")) call.out(`${JSON.stringify(tags)}\n`);
  else if (tags.length > 0) call.out(`${tags.join("\n")}\n`);
}
