import { Failure } from "../../kit/error.ts";
import type { Draft, FileEntry } from "../../tree/entry.ts";
import { mergeTree } from "../../tree/merge.ts";
import { toPath } from "../../tree/path.ts";
import { type Built, builtFromNothing } from "../built.ts";
import type { Put } from "../graph.ts";
import type { Workshop } from "../workshop.ts";
import { placeArchive, tryArchive } from "./archive.ts";
import { DraftBuilder, UNTIMED } from "./draft.ts";
import { parseMode } from "./mode.ts";
import { parseOwner } from "./owner.ts";
import { type Owner, type Placing, place } from "./place.ts";
import type { Prepared } from "./prepare.ts";
import type { Pick } from "./select.ts";

/**
 * Turns the actions of one step into a draft on top of what was built before. No content is read, except archives that ADD unpacks and
 * the image's passwd and group. Throws PLAN, NOT_FOUND, CONTEXT.
 */
export async function perform(prepared: readonly Prepared[], below: Built, shop: Workshop): Promise<Draft> {
  const linked = prepared.every(({ action }) => action.do !== "mkdir" && action.put.link);
  const draft = new DraftBuilder(linked ? mergeTree([]) : await below.tree());
  for (const one of prepared) {
    const { action } = one;
    if (action.do === "mkdir") {
      const owner = action.user === "" ? ROOT_OWNER : await ownerOf(action.user, below, shop, "USER");
      draft.mkdirAll(toPath(action.path), owner);
      continue;
    }
    const how = await placing(
      action.put,
      linked ? builtFromNothing() : below,
      shop,
      one.input?.origin ?? "image",
      action.do === "copy" && action.parents,
    );
    if (action.do === "write") {
      place(draft, written(action.name, action.text), how);
      continue;
    }
    const unpack = action.do === "copy" || action.do === "fetch" ? action.unpack : false;
    for (const pick of await one.picks()) {
      const archive = unpack && pick.top.kind === "file" ? await tryArchive(pick.top, shop) : undefined;
      if (archive) placeArchive(draft, archive, how);
      else place(draft, pick, how);
    }
  }
  return draft.finish(shop.epoch ?? below.newest ?? 0);
}

const ROOT_OWNER: Owner = { uid: 0, gid: 0 };

function ownerOf(text: string, below: Built, shop: Workshop, what: string): Promise<Owner> {
  return parseOwner(
    text,
    () => below.tree(),
    (file) => shop.shelf.read(file),
    what,
  );
}

async function placing(put: Put, below: Built, shop: Workshop, origin: "context" | "image", parents: boolean): Promise<Placing> {
  const { epoch } = shop;
  const time = epoch === undefined ? (at: number) => at : origin === "context" ? () => epoch : (at: number) => Math.min(at, epoch);
  return {
    dest: put.dest,
    ...(put.chown === undefined || put.chown === "" ? {} : { owner: await ownerOf(put.chown, below, shop, "--chown") }),
    ...(put.chmod === undefined || put.chmod === "" ? {} : { mode: parseMode(put.chmod) }),
    time,
    parents,
  };
}

/** A heredoc as a file; its time is filled in when the draft is finished. */
function written(name: string, text: string): Pick {
  if (name.includes("/") || name === "." || name === "..") throw new Failure("PLAN", `a heredoc cannot be named ${JSON.stringify(name)}`);
  const bytes = Buffer.from(text, "utf8");
  const entry: FileEntry = {
    kind: "file",
    path: toPath(name),
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: UNTIMED,
    size: bytes.length,
    content: { in: "memory", bytes },
  };
  return { name, top: entry, below: [] };
}
