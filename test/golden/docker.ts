/** Builds a golden case with a real docker and reads what came out. */
import { accessSync, constants, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Case, type Expected, prepare } from "./case.ts";
import { type Picture, readImage } from "./image.ts";
import { run } from "./run.ts";
import { withoutPort } from "./server.ts";

type How = Parameters<typeof run>[2];

/** The command that starts docker: NOUGHT_DOCKER split at blanks, else `docker` of PATH, else nothing. */
export function dockerCommand(): readonly string[] | undefined {
  const given = process.env.NOUGHT_DOCKER?.trim();
  if (given) return given.split(/\s+/);
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    try {
      accessSync(join(dir, "docker"), constants.X_OK);
      return ["docker"];
    } catch {}
  }
  return undefined;
}

/** Version of the daemon, undefined where none answers. */
export async function dockerVersion(command: readonly string[]): Promise<string | undefined> {
  const { status, stdout } = await run(command, ["version", "--format", "{{.Server.Version}}"], { cwd: "/", env: process.env });
  return status === 0 ? (stdout.trim().split("+")[0] as string) : undefined;
}

/** Why this docker is not the one to ask, undefined where it is. The cases know 28.5; older ones lack flags and tell images differently. */
export function tooOld(version: string): string | undefined {
  return Number.parseInt(version, 10) >= 28 ? undefined : `docker ${version} is older than 28, whose behaviour the cases record`;
}

/** Whether the daemon keeps images in containerd's store. */
export async function usesContainerd(command: readonly string[]): Promise<boolean> {
  const { stdout } = await run(command, ["info", "--format", "{{.DriverStatus}}"], { cwd: "/", env: process.env });
  return stdout.includes("io.containerd");
}

/** Why this docker cannot answer for a case, undefined where it can. */
export function unfit(one: Case, containerd: boolean): string | undefined {
  if (one.args.needs === undefined) return undefined;
  if (one.args.needs === "xz" && process.env.NOUGHT_DOCKER_XZ !== "1")
    return "whether it finds an xz program is not known (NOUGHT_DOCKER_XZ=1)";
  if (one.args.needs === "xz") return undefined;
  if (one.args.needs === "--parents") return "its Dockerfile frontend is older than 1.20 and knows no --parents";
  return containerd ? undefined : "it uses the classic image store, which ignores --link";
}

/** What docker says in the end: from `failed to solve` on, without the progress lines before it. */
function essence(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.startsWith("ERROR:"));
  return (lines.at(-1) ?? stderr.trim().split("\n").slice(-3).join("\n"))
    .replace(/^ERROR: (failed to build: )?(failed to solve: )?/, "")
    .replace(/: failed to do request: .*/, "")
    .replace(/ of ref \S+: /, ": ")
    .replace(/\/\S*\/(?:merged|cachemounts\/buildkit\d+)\//g, "/");
}

/** `docker save` refuses an image that has no layer: what `inspect` and `history` know of it. */
async function imageWithoutLayers(command: readonly string[], tag: string, how: How): Promise<Picture | undefined> {
  const [facts] = JSON.parse((await run(command, ["image", "inspect", tag], how)).stdout);
  if ((facts.RootFS.Layers ?? []).length > 0) return undefined;
  const told = await run(command, ["history", "--no-trunc", "--format", "{{json .}}", tag], how);
  const lines = told.stdout.split("\n").filter(Boolean);
  const config = Object.fromEntries(Object.entries(facts.Config).filter(([, value]) => value !== null && value !== "" && value !== false));
  return {
    tree: {},
    layers: [],
    config: { architecture: facts.Architecture, config, os: facts.Os },
    history: lines
      .reverse()
      .map((line) => ({ created_by: JSON.parse(line).CreatedBy, comment: JSON.parse(line).Comment, empty_layer: true })),
  };
}

/** Builds with docker and reads the image, or docker's error. Names of images made are removed again. */
export async function buildWithDocker(one: Case, command: readonly string[], version: string): Promise<Expected> {
  const made = await prepare(one, true);
  const tags: string[] = [];
  const env = { ...process.env, BUILDKIT_PROGRESS: "plain", DOCKER_BUILDKIT: "1", SOURCE_DATE_EPOCH: undefined, ...one.args.env };
  const how = { cwd: made.dir, env };
  try {
    for (const words of made.before) {
      const done = await run(command, ["build", "--no-cache", ...words], how);
      if (done.status !== 0) throw new Error(`${one.name}: ${done.stderr}`);
      tags.push(words[1] as string);
    }
    const tag = `nought-golden/${one.name}`;
    const done = await run(command, ["build", "--no-cache", "-t", tag, ...made.words], {
      ...how,
      ...(made.input ? { input: made.input } : {}),
    });
    if (done.status !== 0) return withoutPort({ docker: version, error: essence(done.stderr) }, made.url);
    tags.push(tag);
    const saved = await run(command, ["save", tag, "-o", join(made.dir, "image.tar")], how);
    const bare = saved.stderr.includes("empty export") ? await imageWithoutLayers(command, tag, how) : undefined;
    if (bare) return { docker: version, ...bare };
    if (saved.status !== 0) throw new Error(`${one.name}: save: ${saved.stderr}`);
    mkdirSync(join(made.dir, "image"));
    const unpacked = await run(["tar"], ["-xf", "image.tar", "-C", "image"], how);
    if (unpacked.status !== 0) throw new Error(unpacked.stderr);
    return withoutPort({ docker: version, ...readImage(join(made.dir, "image")) }, made.url);
  } finally {
    if (tags.length > 0) await run(command, ["rmi", "-f", ...tags], how);
    await made.remove();
  }
}
