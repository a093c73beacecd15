import type { Digest } from "../../oci/digest.ts";
import { type Path, toPath } from "../../tree/path.ts";
import { prepare } from "../files/prepare.ts";
import type { InputRef } from "../graph.ts";
import type { OpenInput } from "../input.ts";
import type { Workshop } from "../workshop.ts";
import type { RunOp } from "./solve-run.ts";

/** Where the files of each mount come from, in the order of the mounts; undefined for those that have none. */
export interface Sources {
  readonly of: readonly ({ readonly input: OpenInput; readonly path: Path } | undefined)[];
  /** What is mounted, by content. */
  readonly digests: readonly Digest[];
}

/** Opens what bind mounts and cache mounts take their files from, and says what it is. Throws NOT_FOUND. */
export async function sourcesOf(op: RunOp, shop: Workshop): Promise<Sources> {
  const inputs = [...op.inputs];
  const of: Sources["of"][number][] = [];
  const digests: Digest[] = [];
  for (const mount of op.mounts) {
    const hasInput = mount.type === "bind" || (mount.type === "cache" && mount.from !== undefined);
    const ref: InputRef | undefined = hasInput ? inputs.shift() : undefined;
    if (ref === undefined) {
      of.push(undefined);
      continue;
    }
    const path = toPath(mount.source ?? "/");
    const input = await shop.open(ref);
    of.push({ input, path });
    // What a cache begins with counts for nothing once it is there.
    if (mount.type === "cache") continue;
    const put = { dest: "/", link: false };
    const chosen = await prepare(
      { do: "copy", input: ref, sources: [literal(path)], excludes: [], parents: false, unpack: false, put },
      shop,
    );
    digests.push((await chosen.selection()) ?? (await chosen.hashed()));
  }
  return { of, digests };
}

/** A path as a pattern that means only itself. */
function literal(path: string): string {
  return path.replace(/[\\*?[\]]/g, "\\$&");
}
