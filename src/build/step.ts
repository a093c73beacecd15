import type { Layer } from "../image/layer.ts";
import { type Sealed, seal } from "../image/seal.ts";
import { Failure } from "../kit/error.ts";
import type { Digest } from "../oci/digest.ts";
import type { Draft, Entry, LayerAddress } from "../tree/entry.ts";
import { type Built, builtOn } from "./built.ts";
import { perform } from "./files/perform.ts";
import { type Prepared, prepare } from "./files/prepare.ts";
import type { Step } from "./graph.ts";
import { draftDigest, keyOf } from "./key.ts";
import { Unforeseen, type Workshop } from "./workshop.ts";

/** What a cached step is remembered as: the layer, the newest time in it, and its exact key, which a hit by the quick one does not make. */
interface Remembered {
  readonly newest: number;
  readonly exact?: Digest;
}

/**
 * Performs one step on top of what was built before, or finds that it is known. Two keys lead to a layer: the quick one says the same
 * operation on the same sources over the same layers; the exact one says the same entries, whatever was below, so that a rebuilt
 * stage that changes nothing here stops the ripple. A definition that was never seen is sealed first and its keys follow from
 * the same pass; one that was seen is hashed first, because a hit is likely, unless a file was probably changed.
 */
export async function solveStep(step: Step, below: Built, useCache: boolean, shop: Workshop): Promise<Built> {
  const { task } = shop;
  const { op } = step;
  if (op.kind === "run") return (await import("./run/solve-run.ts")).solveRun(step, op, below, useCache, shop);
  const definition = keyOf("files/1", JSON.stringify(op.actions), shop.epoch);
  const prepared: Prepared[] = [];
  for (const action of op.actions) prepared.push(await prepare(action, shop));
  const told = { id: step.id, label: step.label };

  let selections = await all(prepared, (one) => one.selection());
  const seen = useCache && shop.recall(definition) !== undefined;
  if (selections === undefined && seen && !(await changed(prepared))) selections = await all(prepared, (one) => one.hashed());
  const quickOf = (digests: readonly Digest[] | undefined) => digests && keyOf("quick/1", definition, below.chain, digests);
  const finish = (built: Built, cached: boolean, exact?: Digest): Built => {
    const quick = quickOf(selections);
    const keys = { ...(selections ? { selections } : {}), ...(quick ? { quick } : {}), ...(exact ? { exact } : {}) };
    shop.tellKeys?.({
      label: step.label,
      id: step.id,
      definition,
      below: below.chain,
      ...keys,
      cached,
      diffId: built.layers.at(-1)?.diffId as Digest,
    });
    task.emit({ type: "step", ...told, state: cached ? "cached" : "done" });
    return built;
  };
  const quick = quickOf(selections);
  const hit = useCache && quick ? recall(quick, below, shop) : undefined;
  if (hit) return finish(hit, true);
  if (shop.hitsOnly) throw new Unforeseen(step.label);

  const find = (entry: Entry) => prepared.map((one) => one.digests?.find(entry)).find((digest) => digest !== undefined);
  task.emit({ type: "step", ...told, state: "started" });
  const draft = await perform(prepared, below, shop);
  const exact = draftDigest(draft, shop.epoch, find);
  const same = useCache && exact ? recall(exact, below, shop) : undefined;
  if (same) {
    if (quick) copyRecord(exact as Digest, quick, shop);
    return finish(same, true, exact);
  }

  const readAt = Date.now();
  const sealed = await sealedFrom(draft, shop);
  const truthful = learn(draft, sealed, prepared, readAt);
  await shop.shelf.add(sealed.layer, sealed.draft);
  const newest = newestOf(draft);
  const { layer } = sealed;
  const built = builtOn(below, layer, newest, shop.shelf);
  // A file that is not what the ledger said (its stamp was set back): the keys above are wrong for these bytes.
  if (!truthful) return finish(built, false);
  selections ??= await all(prepared, (one) => one.selection());
  // It was thought to be changed and was not: the layer of last time stays, with the times it has.
  const late = seen && quick === undefined ? quickOf(selections) : undefined;
  const after = late && recall(late, below, shop);
  if (after) return finish(after, true);
  const sealedExact = exact ?? draftDigest(sealed.draft, shop.epoch, find);
  const value: Remembered = { newest, ...(sealedExact ? { exact: sealedExact } : {}) };
  for (const key of [quickOf(selections), sealedExact]) if (key) shop.remember({ key, layer, value });
  shop.remember({ key: definition });
  return finish(built, false, sealedExact);
}

/**
 * Seals a draft. Copies of host files in an earlier layer are a shorter way to the same bytes: where that layer is damaged, the
 * files themselves are read.
 */
async function sealedFrom(draft: Draft, { shelf, store, task }: Workshop): Promise<Sealed> {
  try {
    return await seal(draft, shelf.open, store.writer(), task);
  } catch (error) {
    const plain = draft.map(withoutCopy);
    const damaged = error instanceof Failure && (error.code === "DIGEST" || error.code === "NOT_FOUND");
    if (!damaged || plain.every((entry, at) => entry === draft[at])) throw error;
    return await seal(plain, shelf.open, store.writer(), task);
  }
}

function withoutCopy(entry: Entry): Entry {
  if (entry.kind !== "file" || entry.content.in !== "host" || entry.content.copy === undefined) return entry;
  const { copy: _, ...content } = entry.content;
  return { ...entry, content };
}

/** Whether a source was probably changed since last time, so that its layer is written at once instead of being read twice. */
async function changed(prepared: readonly Prepared[]): Promise<boolean> {
  for (const one of prepared) {
    const { digests } = one;
    if (!digests) continue;
    for (const pick of await one.picks()) if ([pick.top, ...pick.below].some((entry) => digests.probablyChanged(entry))) return true;
  }
  return false;
}

/** All digests, or undefined if one is not known. */
async function all(prepared: readonly Prepared[], ask: (one: Prepared) => Promise<Digest | undefined>): Promise<Digest[] | undefined> {
  const digests: Digest[] = [];
  for (const one of prepared) {
    const digest = await ask(one);
    if (digest === undefined) return undefined;
    digests.push(digest);
  }
  return digests;
}

/** A record counts only while its blob can be had: a store that was pruned, or damaged, is a miss and no error. */
function recall(key: Digest, below: Built, shop: Workshop): Built | undefined {
  const record = shop.recall(key);
  if (record?.layer === undefined || !shop.store.available(record.layer.blob)) return undefined;
  return builtOn(below, record.layer as Layer, (record.value as Remembered).newest, shop.shelf);
}

function copyRecord(from: Digest, to: Digest, shop: Workshop): void {
  const record = shop.recall(from);
  if (record?.layer) shop.remember({ key: to, layer: record.layer, value: { ...(record.value as Remembered), exact: from } });
}

/**
 * Keeps the digests of host files that sealing read; false where one was not the digest that its entry had. What was sealed and its
 * sealed form are in step, but for the root.
 */
function learn(draft: Draft, sealed: Sealed, prepared: readonly Prepared[], readAt: number): boolean {
  let truthful = true;
  const learners = prepared.flatMap(({ digests }) => (digests ? [digests] : []));
  const shift = draft[0]?.path === "/" ? 1 : 0;
  for (let at = 0; at < sealed.draft.length; at++) {
    const entry = draft[at + shift];
    const done = sealed.draft[at];
    if (entry?.kind !== "file" || entry.content.in !== "host" || done?.kind !== "file" || done.digest === undefined) continue;
    const { content } = entry;
    const { digest } = done;
    // What was taken from a copy was not read anew.
    if (content.copy === undefined) learners.some((digests) => digests.learn(content, digest, readAt, done.content as LayerAddress));
    if (entry.digest !== undefined && entry.digest !== digest) truthful = false;
  }
  return truthful;
}

function newestOf(draft: Draft): number {
  let newest = 0;
  for (const entry of draft) if (entry.mtime > newest) newest = entry.mtime;
  return newest;
}
