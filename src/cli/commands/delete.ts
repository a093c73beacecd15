import { Failure } from "../../kit/error.ts";
import { formatReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { Repository } from "../../registry/face.ts";
import type { Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { openNamed } from "../registry/open.ts";

/** `nought delete`: takes a tag or a manifest away from a registry. */
export async function run(call: Invocation): Promise<void> {
  for (const text of call.args) {
    const { name, place, task } = await openNamed(call, text, "delete");
    await using repository = place;
    const full = withDefaultTag(name);
    try {
      await repository.remove(full.digest === undefined ? { tag: full.tag as string } : { manifest: full.digest });
    } catch (error) {
      throw error instanceof Failure ? await explained(error, full, repository, task) : error;
    }
    call.out(`Deleted: ${formatReference(full)}\n`);
  }
}

/** What a registry refused, with what there is to do about it. */
async function explained(failure: Failure, name: Reference, repository: Repository, task: Task): Promise<Failure> {
  const shown = formatReference(name);
  const { registry, repository: path, tag, digest } = name;
  const gone = () =>
    new Failure("NOT_FOUND", `${shown} is not there`, {
      hint: `\`nought tags ${formatReference({ registry, repository: path })}\` lists what is.`,
    });
  if (failure.code === "NOT_FOUND") return gone();
  // Registries that know digests only call a tag a bad digest, or the whole an unknown operation.
  if (digest === undefined && ["UNSUPPORTED", "DIGEST", "MANIFEST"].includes(failure.code)) {
    const root = await repository.resolve({ ...name, tag: tag as string }, task);
    if (!root) return gone();
    return new Failure("UNSUPPORTED", `${shown}: this registry does not take tags away`, {
      hint: `Delete the manifest: nought delete ${formatReference({ registry, repository: path, digest: root.digest })}; every tag that points to it goes with it.`,
    });
  }
  if (failure.code !== "UNSUPPORTED") return failure;
  return new Failure("UNSUPPORTED", `${shown}: this registry lets nothing be deleted`, {
    hint: "Who runs it has to allow it: docker's registry with `delete: enabled: true` below `storage`, or REGISTRY_STORAGE_DELETE_ENABLED=true.",
    cause: failure,
  });
}
