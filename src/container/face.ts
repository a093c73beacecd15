import { basename, relative } from "node:path";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf } from "../kit/liveness.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import type { Digest } from "../oci/digest.ts";
import { readDocument } from "./documents.ts";
import { containersFolder, lowersOf, type Places, placesIn, placesOf } from "./places.ts";
import { type ContainerState, readState } from "./process.ts";
import type { ContainerRecord } from "./record.ts";

/**
 * What others may know of containers: how to list them, find one, and reach its process and its files. Nothing here needs rights of a
 * user namespace but what lies in a container's root, whose files may belong to other ids.
 */
export interface Container {
  readonly record: ContainerRecord;
  readonly places: Places;
  /** As it was when the container was read. */
  readonly state: ContainerState;
}

const ID = /^[0-9a-f]{64}$/;

/**
 * All containers of the store in folder `store`, the newest first. What cannot be read is left out, and so is what was made with `--rm` and
 * has ended: nothing but its files is left, and the next command that starts something removes them.
 */
export function listContainers(store: string): readonly Container[] {
  return allContainers(store).filter((one) => !isOver(one));
}

/** The same with those that only wait to be removed. */
export function allContainers(store: string): readonly Container[] {
  const found = namesIn(containersFolder(store)).flatMap((name) => (ID.test(name) ? (readContainer(store, name) ?? []) : []));
  return found.sort((a, b) => (a.record.created < b.record.created ? 1 : -1));
}

/** Whether a container with `--rm` has ended and nobody is left who would remove it. */
export function isOver({ record, state }: Container): boolean {
  const { started } = state;
  return record.options.autoRemove && state.status === "exited" && started !== undefined && livenessOf(started.watcher) === "dead";
}

/** The container with this whole id, if it is there. */
export function readContainer(store: string, id: string): Container | undefined {
  const places = placesOf(store, id);
  const record = readRecord(places);
  return record?.id === id ? { record, places, state: readState(places) } : undefined;
}

function readRecord(places: Places): ContainerRecord | undefined {
  const found = readDocument(places.config) as ContainerRecord | undefined;
  return found?.version === 1 ? found : undefined;
}

/**
 * The container that a whole id, a name, or the beginning of an id stands for, in this order as in docker. Throws NOT_FOUND with docker's
 * words, REFERENCE where several ids begin so.
 */
export function findContainer(store: string, text: string): Container {
  const wanted = text.startsWith("/") ? text.slice(1) : text;
  const whole = ID.test(wanted) ? readContainer(store, wanted) : undefined;
  if (whole) return whole;
  const all = listContainers(store);
  const named = all.find((one) => one.record.name === wanted);
  if (named) return named;
  const fit = /^[0-9a-f]{1,64}$/.test(wanted) ? all.filter((one) => one.record.id.startsWith(wanted)) : [];
  if (fit.length > 1)
    throw new Failure("REFERENCE", `multiple IDs found with provided prefix: ${wanted}`, {
      exit: 1,
      hint: "Give more digits, or the name.",
    });
  const [only] = fit;
  if (only) return only;
  throw new Failure("NOT_FOUND", `No such container: ${printable(text)}`, { hint: "`nought ps -a` shows what there is." });
}

/** The process of a running container. Throws CONFLICT for one that does not run, in docker's words. */
export function requireRunning(container: Container): number {
  const { record, state } = container;
  if (state.status === "running" && state.pid !== undefined) return state.pid;
  throw new Failure("CONFLICT", `container ${record.id} is not running`, { hint: `Start it: nought start ${printable(record.name)}` });
}

/** What a container's root is made of. The merged view of a running one is also to be found under `/proc/PID/root`. */
export function rootOf(
  store: string,
  { record, places }: Container,
): { readonly lowers: readonly string[]; readonly upper: string; readonly work: string } {
  return { lowers: lowersOf(store, places, record), upper: places.upper, work: places.work };
}

/** What containers hold on to, those that are just being made included. */
export interface InUse {
  /** Names (64 hex digits) of unpacked layers: diffIDs and chain IDs. */
  readonly lowers: ReadonlySet<string>;
  /** Image IDs, and the containers that were made from each. */
  readonly images: ReadonlyMap<Digest, readonly Container[]>;
}

/** Which unpacked layers and images must stay because of containers. */
export function containersInUse(store: string): InUse {
  const lowers = new Set<string>();
  const images = new Map<Digest, Container[]>();
  for (const container of listContainers(store)) {
    for (const one of container.record.lowers) lowers.add(basename(one));
    images.set(container.record.image.id, [...(images.get(container.record.image.id) ?? []), container]);
  }
  for (const name of namesIn(containersFolder(store))) {
    const maker = name.startsWith("half-") ? makerOf(name.slice(5)) : undefined;
    if (maker === undefined || livenessOf(maker) === "dead") continue;
    const claimed = readDocument(placesIn(`${containersFolder(store)}/${name}`).claim);
    if (Array.isArray(claimed)) for (const one of claimed) if (typeof one === "string") lowers.add(one);
  }
  return { lowers, images };
}

/** Paths of unpacked layers as a record keeps them. */
export function belowStore(store: string, directories: readonly string[]): readonly string[] {
  return directories.map((one) => relative(store, one));
}

/** Whether a folder of containers is there at all, so that most commands need not look further. */
export function hasContainers(store: string): boolean {
  return lookAt(containersFolder(store)) !== undefined;
}
