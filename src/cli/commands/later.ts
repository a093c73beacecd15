import { Failure } from "../../kit/error.ts";
import { familiarName, parseReference, SCRATCH_RESERVED, withDefaultTag } from "../../oci/reference.ts";
import type { Invocation } from "../command.ts";
import { isScratch } from "../scratch.ts";

/** Commands whose name is settled and whose work comes with a later version: they know the reserved name already. */
export async function run(call: Invocation): Promise<number> {
  const verb = call.path.split(" ").at(-1) as string;
  const text = call.args[0] as string;
  const reserved = isScratch(text);
  if (reserved && verb === "scan")
    throw new Failure("NOT_FOUND", "no such manifest: docker.io/library/scratch:latest: MANIFEST_UNKNOWN: manifest unknown", {
      hint: "`scratch` is no image: there is nothing to scan.",
    });
  if (reserved)
    throw new Failure("RESERVED", SCRATCH_RESERVED, {
      exit: 1,
      hint: "There is nothing to fetch: `FROM scratch` is where an image begins.",
    });
  const name = familiarName(withDefaultTag(parseReference(text)));
  const instead =
    verb === "pull"
      ? `Fetch it with another tool and hand it over: skopeo copy docker://${name} docker-archive:image.tar && nought load -i image.tar`
      : "";
  throw new Failure("UNSUPPORTED", `nought ${verb} ${name}: ${verb} comes with a later version of nought`, {
    exit: 1,
    ...(instead ? { hint: instead } : {}),
  });
}
