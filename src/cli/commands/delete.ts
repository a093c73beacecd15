import { Failure } from "../../kit/error.ts";
import { formatReference, withDefaultTag } from "../../oci/reference.ts";
import type { Invocation } from "../command.ts";
import { openNamed } from "../registry/open.ts";

/** `nought delete`: takes a tag or a manifest away from a registry. */
export async function run(call: Invocation): Promise<void> {
  for (const text of call.args) {
    const { name, place, task } = await openNamed(call, text, "delete");
    await using repository = place;
    if (name.digest !== undefined) await repository.remove({ manifest: name.digest });
    else {
      const { tag = "latest" } = withDefaultTag(name);
      try {
        await repository.remove({ tag });
      } catch (error) {
        if (!(error instanceof Failure) || (error.code !== "UNSUPPORTED" && error.code !== "DIGEST" && error.code !== "MANIFEST"))
          throw error;
        const root = await repository.resolve({ ...name, tag }, task);
        if (!root) throw new Failure("NOT_FOUND", `${formatReference({ ...name, tag })} is not there`);
        throw new Failure("UNSUPPORTED", `${formatReference({ ...name, tag })}: this registry does not take tags away`, {
          hint: `Delete the manifest: nought delete ${formatReference({ registry: name.registry, repository: name.repository, digest: root.digest })}; every tag that points to it goes with it.`,
        });
      }
    }
    call.out(`Deleted: ${formatReference(withDefaultTag(name))}\n`);
  }
}
