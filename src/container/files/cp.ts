import { realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { RootedFolder, type RootedPlace } from "../../kit/rooted.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import type { Task } from "../../task/task.ts";
import type { Container } from "../face.ts";
import { counting, type ItemSink } from "./item.ts";
import { readFolder } from "./read-folder.ts";
import { FolderWriter, type WriteHow } from "./write-folder.ts";

/** What docker cp is asked for, beside the two places. */
export interface CopyHow {
  /** A link that is named as the source is followed (`-L`). */
  readonly follow: boolean;
  /** Whose the copies in a container become; those on the host are always ours. */
  readonly owner: WriteHow["owner"];
  note(text: string): void;
}

/** The source: its place, and whether only what is in it is meant (`/.`). */
interface Source {
  readonly place: RootedPlace;
  readonly stats: Stats;
  readonly content: boolean;
  /** Its own name, before links were followed. */
  readonly name: string;
}

/** Where something goes: below `base`, under the name `as`. */
interface Destination {
  readonly base: string;
  readonly as: string;
}

const HOST_ROOT = "/";

/**
 * Copies a path of a container to the host. `root` is the container's (see openView). Gives the bytes copied, as of a tar. Throws
 * NOT_FOUND, CONFLICT, STORAGE.
 */
export async function copyOut(root: RootedFolder, container: string, path: string, to: string, how: CopyHow, task: Task): Promise<number> {
  const source = find(root, container, path, how.follow);
  const there = statSync(to, { throwIfNoEntry: false });
  // What is there may be a link; it is the user's own, so it is followed.
  const full = there ? realpathSync(to) : resolve(to);
  const destination = place(source, { path: full, asked: to, stats: there }, () => {
    if (!statSync(dirname(full), { throwIfNoEntry: false })?.isDirectory())
      throw new Failure("NOT_FOUND", `invalid output path: directory "${printable(dirname(full))}" does not exist`);
  });
  // The place is the root: nothing that comes out of the container leads out of it.
  using host = new RootedFolder(destination.base);
  const writer = new FolderWriter(host, "/", { owner: "mine", special: false, note: how.note });
  return await copy(source, destination.as, writer, task);
}

/** Copies a path of a container into a sink, under its own name: docker cp CONTAINER:PATH -. Throws NOT_FOUND, STORAGE. */
export async function copyOutTo(
  root: RootedFolder,
  container: string,
  path: string,
  how: Pick<CopyHow, "follow">,
  sink: ItemSink,
  task: Task,
): Promise<number> {
  const source = find(root, container, path, how.follow);
  return copy(source, source.content || source.name === "" ? "." : source.name, sink, task);
}

/** Copies a path of the host into a container. Throws as copyOut. */
export async function copyIn(root: RootedFolder, container: string, from: string, path: string, how: CopyHow, task: Task): Promise<number> {
  using host = new RootedFolder(HOST_ROOT);
  const source = findOnHost(host, from, how.follow);
  const destination = destinationIn(root, container, path, source);
  const writer = new FolderWriter(root, destination.base, { owner: how.owner, special: true, note: how.note });
  return await copy(source, destination.as, writer, task);
}

/** Throws CONFLICT for a container whose root is read-only, unless the path lies in something writable that is mounted there. */
export function checkWritable({ record }: Pick<Container, "record">, path: string): void {
  if (!record.options.readonlyRoot) return;
  const full = resolve("/", path);
  const inside = record.mounts.filter((one) => full === one.target || full.startsWith(`${one.target}/`));
  const nearest = inside.sort((a, b) => b.target.length - a.target.length)[0];
  if (nearest && !nearest.readonly) return;
  throw new Failure("CONFLICT", "container rootfs is marked read-only", {
    hint: "Copy into a volume of it, or make it without --read-only.",
  });
}

/** The directory of a container that an archive goes to: docker cp - CONTAINER:PATH. Throws NOT_FOUND, CONFLICT. */
export function writerInto(root: RootedFolder, container: string, path: string, how: CopyHow): FolderWriter {
  const found = lookUp(root, container, path, true);
  if (!found.stats?.isDirectory())
    throw new Failure("CONFLICT", `destination "${printable(container)}:${printable(path)}" must be a directory`);
  return new FolderWriter(root, found.path, { owner: how.owner, special: true, note: how.note });
}

async function copy(source: Source, as: string, sink: ItemSink, task: Task): Promise<number> {
  let bytes = 0;
  try {
    await readFolder(
      source.place,
      as,
      counting(sink, (more) => (bytes += more)),
      task,
    );
    return bytes;
  } finally {
    if (sink instanceof FolderWriter) sink.abort();
  }
}

function find(root: RootedFolder, container: string, path: string, follow: boolean): Source {
  if (path === "") throw new Failure("USAGE", "bad parameter: path cannot be empty", { exit: 1 });
  const found = lookUp(root, container, path, follow || isDirectoryName(path));
  if (found.stats === undefined) throw missing(path, container);
  return sourceOf(found, found.stats, path);
}

function findOnHost(host: RootedFolder, path: string, follow: boolean): Source {
  // Not resolve() alone: it takes the mark of a directory away.
  const full = resolve(path) + (isDirectoryName(path) ? "/." : "");
  const gone = () => new Failure("NOT_FOUND", `lstat ${printable(resolve(path))}: no such file or directory`);
  let found: RootedPlace;
  try {
    found = host.find(full, follow || isDirectoryName(path));
  } catch (error) {
    if (error instanceof Failure && error.code === "NOT_FOUND") throw gone();
    throw storageFailure(error, "could not look at", path);
  }
  if (found.stats === undefined) throw gone();
  return sourceOf(found, found.stats, path);
}

function sourceOf(place: RootedPlace, stats: Stats, path: string): Source {
  if (isDirectoryName(path) && !stats.isDirectory()) throw new Failure("NOT_FOUND", `lstat ${printable(path)}: not a directory`);
  const content = /(?:^|\/)\.$/.test(path);
  const own = basename(resolve("/", path));
  return { place, stats, content: content || own === "", name: own };
}

function destinationIn(root: RootedFolder, container: string, path: string, source: Source): Destination {
  if (path === "") throw new Failure("NOT_FOUND", "no such directory");
  const found = lookUp(root, container, path, true, dirname(resolve("/", path)));
  return place(source, { path: found.path, asked: path, stats: found.stats }, () => {});
}

/**
 * Docker's rules of where things go (docker container cp, "Description"). `parent` sees to it that the directory for something new is
 * there.
 */
function place(
  source: Source,
  to: { readonly path: string; readonly asked: string; readonly stats: Stats | undefined },
  parent: () => void,
): Destination {
  const isDirectory = source.stats.isDirectory();
  if (to.stats?.isDirectory()) return { base: to.path, as: source.content ? "." : source.name };
  if (to.stats && isDirectory) throw new Failure("CONFLICT", "cannot copy directory", { hint: "The destination is a file." });
  if (!isDirectory && isDirectoryName(to.asked))
    throw new Failure("NOT_FOUND", "no such directory", { hint: "Make it first, or leave the slash at its end away." });
  parent();
  return { base: dirname(to.path), as: basename(to.path) };
}

function isDirectoryName(path: string): boolean {
  return /(?:\/|(?:^|\/)\.)$/.test(path);
}

/** `named` is what the message says is missing. */
function lookUp(root: RootedFolder, container: string, path: string, follow: boolean, named = path): RootedPlace {
  try {
    return root.find(path, follow);
  } catch (error) {
    if (error instanceof Failure && error.code === "NOT_FOUND") throw missing(named, container);
    throw storageFailure(error, "could not look at", path);
  }
}

function missing(path: string, container: string): Failure {
  return new Failure("NOT_FOUND", `Could not find the file ${printable(path)} in container ${printable(container)}`, {
    hint: `See what is there: nought debug ${printable(container)} ls /target`,
  });
}
