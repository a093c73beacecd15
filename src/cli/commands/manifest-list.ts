import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, isDigest } from "../../oci/digest.ts";
import type { Index } from "../../oci/manifest.ts";
import { formatPlatform, matchesPlatform, type Platform, parsePlatform } from "../../oci/platform.ts";
import { parseNewName } from "../../oci/reference.ts";
import { createTask, type Task } from "../../task/task.ts";
import { readPairs } from "../build/pairs.ts";
import type { Invocation } from "../command.ts";
import type { Flags } from "../flags.ts";
import { shortLabels } from "../registry/labels.ts";
import { barsFor } from "../render/bars.ts";
import { emptyList, type ManifestList, openList, openMember } from "../transfer/list.ts";

/** `nought manifest create|add|annotate|exists|remove|push|rm`: lists of manifests, by hand. */
export async function run(call: Invocation): Promise<void> {
  const bars = barsFor(call.env, false);
  const task = createTask(shortLabels(bars.listener), call.signal);
  try {
    const text = await VERBS[call.path.split(" ")[1] as keyof typeof VERBS](call, task);
    bars.finish();
    call.out(text);
  } finally {
    bars.finish();
  }
}

const VERBS = { create, add, annotate, exists, remove, push, rm };

async function create(call: Invocation, task: Task): Promise<string> {
  const [text = "", ...members] = call.args;
  await using list = await openList(call, text, task);
  const before = await list.read();
  if (before && !call.flags.bool("amend"))
    throw new Failure("CONFLICT", "refusing to amend an existing manifest list with no --amend flag");
  await list.write(await withMembers(call, list, before ?? emptyList(), members, task));
  return `Created manifest list ${list.shown}\n`;
}

async function add(call: Invocation, task: Task): Promise<string> {
  const [text = "", ...members] = call.args;
  await using list = await openList(call, text, task);
  const index = await withMembers(call, list, await existing(list), members, task, (one) => described(call.flags, one));
  return `${(await list.write(index)).digest}\n`;
}

async function exists(call: Invocation, task: Task): Promise<string> {
  await using list = await openList(call, call.args[0] as string, task);
  await existing(list);
  return "";
}

async function annotate(call: Invocation, task: Task): Promise<string> {
  const [text = "", member = ""] = call.args;
  const { flags } = call;
  await using list = await openList(call, text, task);
  const index = await existing(list);
  if (flags.bool("index")) {
    const annotations = { ...index.annotations, ...readPairs(flags.list("annotation")) };
    return `${(await list.write({ ...index, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) })).digest}\n`;
  }
  if (member === "") throw new Failure("USAGE", "annotate wants an entry of the list, or --index for the list itself");
  const wanted = await memberOf(call, index, member, task);
  const manifests = index.manifests.map((one) => (one.digest === wanted ? described(flags, one) : one));
  return `${(await list.write({ ...index, manifests })).digest}\n`;
}

/** An entry with what the flags say of its platform and annotations. */
function described(flags: Flags, one: Descriptor): Descriptor {
  const set = <K extends keyof Platform>(key: K, value: Platform[K] | undefined) => (value === undefined ? {} : { [key]: value });
  const features = flags.list("os-features");
  const said = {
    ...set("os", flags.string("os")),
    ...set("architecture", flags.string("arch")),
    ...set("variant", flags.string("variant")),
    ...set("os.version", flags.string("os-version")),
    ...(features.length > 0 ? { "os.features": features } : {}),
  };
  const platform = Object.keys(said).length === 0 ? one.platform : { ...(one.platform ?? { os: "linux", architecture: "" }), ...said };
  const annotations = { ...one.annotations, ...readPairs(flags.list("annotation")) };
  return { ...one, ...(platform ? { platform } : {}), ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
}

async function remove(call: Invocation, task: Task): Promise<string> {
  const [text = "", member = ""] = call.args;
  await using list = await openList(call, text, task);
  const index = await existing(list);
  const wanted = await memberOf(call, index, member, task);
  return `${(await list.write({ ...index, manifests: index.manifests.filter((one) => one.digest !== wanted) })).digest}\n`;
}

async function push(call: Invocation, task: Task): Promise<string> {
  const [text = "", target = `docker://${text}`] = call.args;
  await using list = await openList(call, text, task);
  await existing(list);
  const { flags } = call;
  const [{ copyBetween }, { readPlaceWord }] = await Promise.all([import("../transfer/copy.ts"), import("../transfer/word.ts")]);
  const how = { packing: { compression: "gzip" as const, force: false } };
  const { digest } = await copyBetween(call, readPlaceWord(text), readPlaceWord(target), how, task);
  if (flags.bool("purge") || flags.bool("rm")) await (await call.store()).unname(parseNewName(text));
  return `${digest}\n`;
}

async function rm(call: Invocation, task: Task): Promise<string> {
  const store = await call.store();
  let out = "";
  for (const text of call.args) {
    await using list = await openList(call, text, task);
    if (text.startsWith("docker://"))
      throw new Failure("USAGE", "manifest rm is for lists of the local store; `nought delete` takes names from a registry");
    await existing(list);
    await store.unname(parseNewName(text));
    out += `Deleted: ${list.shown}\n`;
  }
  return out;
}

async function existing(list: ManifestList): Promise<Index> {
  const index = await list.read();
  if (index) return index;
  throw new Failure("NOT_FOUND", `No such manifest: ${printable(list.shown)}`, { hint: "`nought manifest create` makes one." });
}

/** The list with further images at its end; one that is in it already stays where it is. */
async function withMembers(
  call: Invocation,
  list: ManifestList,
  index: Index,
  members: readonly string[],
  task: Task,
  describe: (entry: Descriptor) => Descriptor = (entry) => entry,
): Promise<Index> {
  const manifests = new Map<Digest, Descriptor>(index.manifests.map((one) => [one.digest, one]));
  for (const text of members) {
    await using source = await openMember(call, text, task);
    for (const entry of await list.take(source)) manifests.set(entry.digest, describe({ ...entry, ...manifests.get(entry.digest) }));
  }
  return { ...index, manifests: [...manifests.values()] };
}

/** An entry by its digest, its platform, or an image that is it. Throws NOT_FOUND with what there is. */
async function memberOf(call: Invocation, index: Index, text: string, task: Task): Promise<Digest> {
  const has = (digest: string) => index.manifests.find((one) => one.digest === digest)?.digest;
  const at = text.lastIndexOf("@");
  const digest = text.slice(at + 1);
  const byPlatform = () => {
    if (!/^[a-z0-9]+\/[a-z0-9]+(?:\/[a-z0-9.]+)?$/.test(text)) return undefined;
    const wanted = parsePlatform(text);
    return index.manifests.find((one) => one.platform && matchesPlatform(wanted, one.platform))?.digest;
  };
  const found = isDigest(digest) ? has(digest) : (byPlatform() ?? has(await rootOf(call, text, task)));
  if (found) return found;
  const shown = index.manifests.map((one) => `${one.digest} (${one.platform ? printable(formatPlatform(one.platform)) : "no platform"})`);
  throw new Failure("NOT_FOUND", `${printable(text)} is not in the list`, { hint: `It has ${shown.join(", ") || "nothing"}.` });
}

async function rootOf(call: Invocation, text: string, task: Task): Promise<Digest> {
  await using source = await openMember(call, text, task);
  return source.root.digest;
}
