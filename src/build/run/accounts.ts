import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import type { Shelf } from "../../shelf/shelf.ts";
import { toPath } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";

/** The texts of an image's passwd and group, for resolveUser; what is no regular file says nothing, as for docker. Throws LIMIT. */
export async function accountsOf(tree: Tree, shelf: Shelf): Promise<{ readonly passwd?: string; readonly group?: string }> {
  const text = async (path: string): Promise<string | undefined> => {
    const entry = tree.lookup(toPath(path));
    if (entry?.kind !== "file") return undefined;
    if (entry.size > LIMITS.passwdBytes) throw new Failure("LIMIT", `${path} of the image is larger than ${LIMITS.passwdBytes} bytes`);
    return Buffer.from(await shelf.read(entry)).toString("utf8");
  };
  const [passwd, group] = [await text("/etc/passwd"), await text("/etc/group")];
  return { ...(passwd === undefined ? {} : { passwd }), ...(group === undefined ? {} : { group }) };
}
