import { lutimesSync } from "node:fs";
import { join } from "node:path";
import { lookAt } from "../kit/look.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import { fsName } from "../tree/content.ts";
import type { Tree } from "../tree/tree.ts";
import type { ReadUpper } from "./changes.ts";
import { holdLowers, whileNoneRemoved } from "./hold.ts";
import { chainOf, formFolder, giveName, type SourceLayer } from "./lowers.ts";
import { ownerNote } from "./owner.ts";
import { fitsOn, isSelfContained } from "./settle.ts";
import type { UnpackHow } from "./unpack.ts";

/**
 * Makes a step's upper directory the unpacked form of the layer that its changes were sealed as, so that the next step need not unpack what
 * the last one wrote: prepareLowers finds it under the layer's name. To be called once, after sealing (the draft's contents lay in
 * `upper`), when the
 * overlay is gone for good, and only with the changes read from it last (`read`) and the sealed draft of the same (`layer.draft`; its times
 * may
 * have been clamped since: the files get those of the draft). `chain` is the chain ID of the layers below, `below` what they show.
 * Afterwards `upper` is gone. False, and `upper` as it was, where it cannot stand for the layer (ReadUpper), or where the layer is
 * unpacked already. Throws STORAGE, NO_SPACE; then it is the caller's to remove.
 */
export async function adoptUpper(
  store: string,
  upper: string,
  read: ReadUpper,
  layer: SourceLayer,
  on: { readonly chain: Digest | undefined; readonly tree: Tree },
  how: UnpackHow,
): Promise<boolean> {
  if (read.standsFor === "nowhere" || read.draft.length !== layer.draft.length) return false;
  const { diffId, draft } = layer;
  const alone = isSelfContained(draft) && fitsOn(draft, on.tree);
  const names = [hexOf(diffId), hexOf(chainOf(on.chain, diffId))] as const;
  const folder = formFolder(store, how);
  const there = await whileNoneRemoved(store, () => {
    holdLowers(store, names);
    return (alone ? names : names.slice(1)).some((name) => lookAt(join(folder, name)) !== undefined);
  });
  if (there) return false;
  try {
    for (const { kind, path, mtime } of draft)
      if (kind !== "whiteout" && kind !== "hardlink" && path !== "/") lutimesSync(fsName(upper + path), mtime, mtime);
  } catch (error) {
    throw storageFailure(error, "could not set times in", upper);
  }
  if (how.ids === "mine") {
    const notes = draft.filter(({ kind }) => kind === "file" || kind === "dir").map((entry) => ownerNote(upper + entry.path, entry));
    if (how.calls.change(notes).some((result) => result < 0)) return false;
  }
  return giveName(upper, join(folder, names[alone && read.standsFor === "anywhere" ? 0 : 1]), layer);
}
