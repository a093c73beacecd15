import { createReadStream, existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { BuildRequest, ContextSource, NamedContext } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { formatPlatform, hostPlatform, type Platform, parsePlatform } from "../../oci/platform.ts";
import { parseNewName, type Reference } from "../../oci/reference.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { readBytes, readUlimit } from "../container/amount.ts";
import { readAttest } from "./attest.ts";
import { contextsBeside } from "./beside.ts";
import { type ContextWord, readContext, readNamedContext } from "./contexts.ts";
import { download } from "./download.ts";
import { readEpoch } from "./epoch.ts";
import { type ReadOutput, readOutput, withDestinations } from "./outputs.ts";
import { readAnnotations, readPairs } from "./pairs.ts";
import { checkSecrets } from "./secrets.ts";
import { type Incoming, standardInput, takeIn } from "./stdin.ts";

/**
 * The flags and words of `nought build` as a BuildRequest: everything about the command line is settled here, standard input and remote
 * contexts are on disk, paths are absolute. Throws USAGE, REFERENCE, RESERVED, NOT_FOUND, CONTEXT, UNSUPPORTED, LIMIT.
 */
export async function readRequest(call: Invocation): Promise<BuildRequest> {
  const { flags, env } = call;
  const names = [...flags.list("tag"), ...flags.list("destination")].map(readTag);
  const outputs = [...flags.list("output").filter((one) => one !== ""), ...tarPath(flags.string("tar-path"))].map(readOutput);
  const annotations = readAnnotations([...flags.list("annotation"), ...outputs.flatMap((one) => one.annotations)]);
  const labels = readPairs(flags.list("label"));
  const secrets = checkSecrets(flags.list("secret"), env);
  const platforms = readPlatforms(flags.list("platform"));
  const [platform] = platforms;
  const contexts: [string, NamedContext][] = [];
  for (const text of flags.list("build-context")) contexts.push([...(await readNamedContext(text))]);
  const word = await readContext(call.args[0] ?? flags.string("context") ?? "");
  const given = readPairs(flags.list("build-arg"), env);
  const epoch = await readEpoch(flags.string("source-date-epoch"), given["SOURCE_DATE_EPOCH"], env["SOURCE_DATE_EPOCH"], word);
  // As buildx does: the Dockerfile may ask for it with ARG.
  const buildArgs =
    epoch === undefined || Object.hasOwn(given, "SOURCE_DATE_EPOCH") ? given : { ...given, SOURCE_DATE_EPOCH: String(epoch) };
  const all = withStore(outputs, flags.given("tar-path") && !flags.bool("no-push"));
  const wanted = withDestinations(all, { push: flags.bool("push"), load: flags.bool("load") });
  if (wanted.some((one) => one.push !== undefined && names.length + one.names.length === 0))
    throw new Failure("USAGE", "tag is needed when pushing to registry: name the image with -t");
  const network = flags.string("network");
  if (!["default", "none", "host"].includes(network ?? "default")) {
    throw new Failure("USAGE", `network mode "${printable(network as string)}" is none of default, none, host`);
  }
  for (const host of flags.list("add-host"))
    if (!/^[^:=]+[:=].+$/s.test(host)) throw new Failure("USAGE", `invalid host ${printable(host)}: it is name:ip`);
  const attest = readAttest(flags);
  const sources = await settle(call, word);
  return {
    ...sources,
    names,
    buildArgs,
    labels,
    annotations,
    // What the command line says wins.
    contexts: Object.fromEntries([...(await contextsBeside(sources.dockerfile)), ...contexts]),
    noCache: flags.bool("no-cache"),
    noCacheFilter: flags.list("no-cache-filter"),
    pull: flags.bool("pull"),
    addHosts: flags.list("add-host"),
    secrets,
    ssh: flags.list("ssh"),
    allow: flags.list("allow"),
    limits: { ulimits: flags.list("ulimit").map(readUlimit) },
    ...(flags.given("shm-size") ? { shm: readBytes(flags.string("shm-size") ?? "", "--shm-size") } : {}),
    outputs: wanted,
    ...(network === undefined || network === "default" ? {} : { network }),
    ...(platform === undefined ? {} : { platform }),
    ...(platforms.length > 1 ? { platforms } : {}),
    ...optional("target", flags.string("target")),
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
    ...(attest ? { attest } : {}),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined || value === "" ? {} : ({ [key]: value } as { [P in K]?: string });
}

function readTag(text: string): Reference {
  try {
    return parseNewName(text);
  } catch (error) {
    if (error instanceof Failure && error.code === "REFERENCE")
      throw new Failure("REFERENCE", `invalid tag "${printable(text)}": ${error.message}`);
    throw error;
  }
}

/** Each platform once, in the order given; `local` is that of this machine. */
function readPlatforms(texts: readonly string[]): readonly Platform[] {
  const all = texts.flatMap((one) => one.split(",")).filter((one) => one !== "");
  const read = all.map((one) => (one === "local" ? hostPlatform() : parsePlatform(one)));
  return [...new Map(read.map((one) => [formatPlatform(one), one])).values()];
}

/** Kaniko's `--tar-path` is a docker archive. */
function tarPath(path: string | undefined): string[] {
  return path === undefined ? [] : [`type=docker,"dest=${path.replaceAll('"', '""')}"`];
}

/** Kaniko pushes beside writing its archive; here the image goes to the store beside it, unless `--no-push` says otherwise. */
function withStore(outputs: readonly ReadOutput[], alsoStore: boolean): BuildRequest["outputs"] {
  const all = outputs.map((one) => one.output);
  return alsoStore ? [...all, { type: "image", names: [], force: false, directory: false }] : all;
}

/** The context on disk and where the Dockerfile is. */
async function settle(call: Invocation, word: ContextWord): Promise<Pick<BuildRequest, "context" | "dockerfile">> {
  const kaniko = call.flags.string("dockerfile");
  const file = call.flags.string("file") ?? kaniko;
  if (file === "-") {
    if (word.kind === "stdin") throw new Failure("USAGE", "invalid argument: can't use stdin for both build context and dockerfile");
    const came = await takeIn(standardInput(call.signal), () => spool(call));
    if (came.kind === "tar") throw new Failure("USAGE", "-f - wants a Dockerfile on standard input; a tar archive came");
    return { context: await onDisk(call, word), dockerfile: { kind: "text", text: came.text } };
  }
  if (word.kind === "stdin" || word.kind === "url") {
    const came = word.kind === "stdin" ? await takeIn(standardInput(call.signal), () => spool(call)) : await fetchContext(call, word.url);
    if (came.kind === "text") return { context: { kind: "none" }, dockerfile: { kind: "text", text: came.text } };
    const context = word.kind === "url" ? { ...came, url: word.url } : came;
    return { context, dockerfile: { kind: "inside", path: file ?? "Dockerfile" } };
  }
  if (word.kind !== "dir") return { context: word, dockerfile: { kind: "inside", path: file ?? "Dockerfile" } };
  return {
    context: word,
    dockerfile: { kind: "path", path: file === undefined ? usual(word.path) : named(file, word.path, kaniko !== undefined) },
  };
}

async function onDisk(call: Invocation, word: ContextWord): Promise<ContextSource> {
  if (word.kind === "stdin") throw new Error("internal: standard input was spoken for");
  if (word.kind !== "url") return word;
  const came = await fetchContext(call, word.url);
  if (came.kind === "text")
    throw new Failure("CONTEXT", `${printable(word.url)} is a text, not an archive: it cannot be a context beside -f`);
  return { ...came, url: word.url };
}

/** `Dockerfile`, or `dockerfile` where only that is there. */
function usual(folder: string): string {
  const path = join(folder, "Dockerfile");
  const lower = join(folder, "dockerfile");
  return !existsSync(path) && existsSync(lower) ? lower : path;
}

/** A path given with -f counts from the working directory; kaniko also looks in the context. */
function named(file: string, folder: string, kaniko: boolean): string {
  const path = resolve(file);
  const inside = resolve(folder, file);
  if (existsSync(path) || !existsSync(inside)) return path;
  if (kaniko) return inside;
  throw new Failure("NOT_FOUND", `failed to read dockerfile: open ${printable(file)}: no such file or directory`, {
    hint: `-f counts from the working directory: did you mean -f ${printable(relative(process.cwd(), inside))}?`,
  });
}

async function spool(call: Invocation): Promise<string> {
  return (await call.store()).temporary();
}

async function fetchContext(call: Invocation, url: string): Promise<Incoming> {
  const path = await spool(call);
  await download(
    url,
    path,
    createTask(() => {}, call.signal),
  );
  return takeIn(createReadStream(path), async () => `${path}.tar`);
}
