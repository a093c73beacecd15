import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { formatReference, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { Access, Repository } from "../../registry/face.ts";
import { openRepository } from "../../registry/repository.ts";
import { surroundings } from "../../registry/surroundings.ts";
import { createTask, type Task } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { notThere } from "./pull.ts";

/** A repository named on the command line, with or without `docker://`; notes go to standard error. The caller closes it. */
export async function openNamed(
  call: Invocation,
  text: string,
  access: Access,
): Promise<{ readonly name: Reference; readonly place: Repository; readonly task: Task }> {
  const name = parseReference(text.replace(/^docker:\/\//, ""));
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  return { name, place: await openRepository(name, { ...surroundings(call.env, task), access }, task), task };
}

/** What a name of an open repository stands for. Throws NOT_FOUND. */
export async function resolveNamed(place: Repository, name: Reference, task: Task): Promise<Descriptor> {
  const root = await place.resolve(name, task);
  if (root) return root;
  throw notThere(formatReference(withDefaultTag(name)));
}

/** Refuses a tag or digest where a repository is wanted. Throws USAGE. */
export function checkBare(name: Reference, verb: string): void {
  if (name.tag !== undefined || name.digest !== undefined) throw new Failure("USAGE", `${verb} wants a repository, without tag or digest`);
}
