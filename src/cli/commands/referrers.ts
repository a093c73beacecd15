import { PREDICATE_TYPE } from "../../attest/artifact.ts";
import { subjectsOf } from "../../attest/travel.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { isIndexType } from "../../oci/media-type.ts";
import type { BytesReader } from "../../oci/place.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { openNamed, resolveNamed } from "../registry/open.ts";
import { humanSize } from "../render/human.ts";
import { openSource } from "../transfer/source.ts";
import { namesTransport, readPlaceWord } from "../transfer/word.ts";

/** `nought referrers`: signatures, attestations and other artifacts that refer to an image. */
export async function run(call: Invocation): Promise<void> {
  const found = await listed(call, call.args[0] as string, call.flags.string("artifact-type"));
  if (call.flags.bool("json")) {
    call.out(`${JSON.stringify(found)}\n`);
    return;
  }
  for (const one of found) {
    const about = one.annotations?.[PREDICATE_TYPE];
    const words = [
      one.digest,
      printable(one.artifactType ?? one.mediaType),
      humanSize(one.size),
      ...(about === undefined ? [] : [printable(about)]),
    ];
    call.out(`${words.join("  ")}\n`);
  }
}

/** A name alone is one of a registry; `store:` and the other transports are asked for by their own word. */
async function listed(call: Invocation, text: string, artifactType: string | undefined): Promise<readonly Descriptor[]> {
  if (namesTransport(text) && !text.startsWith("docker://")) {
    const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
    await using source = await openSource(call, readPlaceWord(text), task);
    if (!source.referrers)
      throw new Failure("UNSUPPORTED", `${printable(text)}: nothing refers to an image there: it holds the image alone`);
    return await allOf(source.from, source.root, source.referrers, artifactType);
  }
  const { name, place, task } = await openNamed(call, text, "pull");
  await using repository = place;
  if (name.digest !== undefined) return await repository.referrers(name.digest, artifactType);
  return await allOf(repository, await resolveNamed(repository, name, task), repository.referrers, artifactType);
}

/** Of an index also what refers to the manifests that it lists: what is said of an image is said of each platform. */
async function allOf(
  from: BytesReader,
  root: Descriptor,
  referrers: (subject: Digest) => Promise<readonly Descriptor[]>,
  artifactType: string | undefined,
): Promise<readonly Descriptor[]> {
  const subjects = isIndexType(root.mediaType) ? await subjectsOf(from, root) : [root];
  const found: Descriptor[] = [];
  for (const { digest } of subjects) found.push(...(await referrers(digest)));
  return found.filter((one) => artifactType === undefined || one.artifactType === artifactType);
}
