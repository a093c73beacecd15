import { printable } from "../../kit/printable.ts";
import type { Invocation } from "../command.ts";
import { openNamed, resolveNamed } from "../registry/open.ts";
import { humanSize } from "../render/human.ts";

/** `nought referrers`: signatures, attestations and other artifacts that refer to an image. */
export async function run(call: Invocation): Promise<void> {
  const { name, place, task } = await openNamed(call, call.args[0] as string, "pull");
  await using repository = place;
  const subject = name.digest ?? (await resolveNamed(repository, name, task)).digest;
  const found = await repository.referrers(subject, call.flags.string("artifact-type"));
  if (call.flags.bool("json")) {
    call.out(`${JSON.stringify(found)}\n`);
    return;
  }
  for (const one of found) call.out(`${one.digest}  ${printable(one.artifactType ?? one.mediaType)}  ${humanSize(one.size)}\n`);
}
