import { dirname, resolve } from "node:path";
import type { Account, Group } from "../debian/data/accounts.ts";
import { Failure } from "../kit/error.ts";
import { createMatcher } from "../kit/pattern.ts";
import { printable } from "../kit/printable.ts";
import { readSmallFile } from "../kit/read-file.ts";
import { EMBEDDED } from "./embedded-recipes.ts";
import type { Recipe, RecipeFile, Stage } from "./recipe.ts";
import { DOCUMENTATION } from "./recipe-parts.ts";
import { Field, type Mark } from "./yaml-field.ts";

/** Bytes of a recipe, and of a file that it adds. */
const RECIPE_BYTES = 1 << 20;
const SOURCE_BYTES = 64 << 20;

const STAGE_KEYS = [
  "title",
  "packages",
  "assume",
  "recommends",
  "exclude",
  "documentation",
  "needs",
  "layers",
  "users",
  "groups",
  "files",
] as const;
const CONFIG_KEYS = ["user", "env", "entrypoint", "cmd", "workdir", "labels", "ports", "stop-signal"] as const;
/** Every key of a recipe; the schema for editors has the same (recipe-file.test.ts). */
export const RECIPE_KEYS = ["from", "suite", "annotations", "stages", ...STAGE_KEYS, ...CONFIG_KEYS] as const;

/**
 * Reads a recipe: YAML, one document, the keys of docs/bases.md and no others. Files that it names by `source` are read beside it. Throws
 * NOT_FOUND, LIMIT, and USAGE with file and line for what does not belong.
 */
export async function readRecipe(path: string): Promise<Recipe> {
  const bytes = readSmallFile(path, RECIPE_BYTES);
  if (bytes === undefined) throw new Failure("NOT_FOUND", `recipe ${printable(path)}: there is no such file`);
  return parseRecipe(bytes.toString("utf8"), path);
}

/** The same for text; `path` names it in messages, and says where sources lie. */
export async function parseRecipe(text: string, path: string): Promise<Recipe> {
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: true, maxAliasCount: 20 } as never);
  const mark: Mark = (offset) => `${printable(path)}:${offset === undefined ? 1 : lines.linePos(offset).line}`;
  const [wrong] = document.errors;
  if (wrong) throw new Failure("USAGE", `${mark(wrong.pos[0])}: ${printable(wrong.message.split("\n")[0] ?? "")}`);
  const top = new Field(document.contents as never, mark, "the recipe").map([...RECIPE_KEYS]);
  const from = top.get("from")?.text();
  const below = from === undefined ? undefined : EMBEDDED[from.replace(/^nought\//, "")];
  if (from !== undefined && below === undefined) throw top.get("from")?.bad(`${printable(from)} is none of the embedded images`);
  const listed = top.get("stages")?.list();
  const own = STAGE_KEYS.filter((key) => top.get(key) !== undefined);
  if (listed && own.length > 0) throw top.get(own[0] as string)?.bad("belongs into one of the stages");
  const stages = listed
    ? listed.map((one, index) => stageOf(one.map([...STAGE_KEYS]), path, `layer ${index + 1}`))
    : own.length > 0
      ? [stageOf(top, path, "packages")]
      : [];
  if (stages.length + (below?.stages.length ?? 0) === 0)
    throw new Failure("USAGE", `${mark(0)}: the recipe has no packages, files or users`);
  const suite = top.get("suite")?.text();
  const annotations = top.get("annotations")?.pairs();
  return {
    stages: [...(below?.stages ?? []), ...stages],
    config: { ...below?.config, ...configOf(top, below?.config.env) },
    ...(below?.mergedUsr === undefined ? {} : { mergedUsr: below.mergedUsr }),
    ...(suite === undefined ? {} : { suite }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function configOf(top: ReturnType<Field["map"]>, inherited: Readonly<Record<string, string>> | undefined): Recipe["config"] {
  const user = top.get("user")?.scalar();
  const env = top.get("env")?.pairs();
  const entrypoint = top.get("entrypoint")?.texts();
  const cmd = top.get("cmd")?.texts();
  const workdir = top.get("workdir")?.path();
  const labels = top.get("labels")?.pairs();
  const ports = top.get("ports")?.texts();
  const stopSignal = top.get("stop-signal")?.text();
  return {
    ...(user === undefined ? {} : { user }),
    ...(env === undefined ? {} : { env: { ...inherited, ...env } }),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(labels === undefined ? {} : { labels }),
    ...(ports === undefined ? {} : { ports: ports.map((port) => (port.includes("/") ? port : `${port}/tcp`)) }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
  };
}

function stageOf(stage: ReturnType<Field["map"]>, path: string, title: string): Stage {
  const assume = stage.get("assume")?.texts();
  const recommends = stage.get("recommends")?.bool();
  const needs = stage.get("needs")?.texts();
  const layers = stage.get("layers")?.number(1, 100);
  const exclude = [
    ...(stage.get("documentation")?.bool() ? [] : DOCUMENTATION),
    ...(stage.get("exclude")?.texts() ?? []).map((one) => one.replace(/^(!?)\/+/, "$1")),
  ];
  try {
    createMatcher(exclude);
  } catch (error) {
    throw error instanceof Failure ? (stage.get("exclude")?.bad(error.message) ?? error) : error;
  }
  if (needs && layers !== undefined && layers > 1) throw stage.need("layers").bad("cannot be more than 1 where needs cuts the packages");
  const users = stage.get("users")?.list().map(userOf);
  const groups = stage.get("groups")?.list().map(groupOf);
  const files = stage
    .get("files")
    ?.list()
    .map((one) => fileOf(one, path));
  const named = stage.get("packages")?.list() ?? [];
  return {
    title: stage.get("title")?.text() ?? title,
    packages: named.map((one) => one.text()),
    ...(named.length === 0 ? {} : { places: Object.fromEntries(named.map((one) => [nameOf(one.text()), one.place()])) }),
    ...(assume === undefined ? {} : { assume }),
    ...(recommends === undefined ? {} : { recommends }),
    exclude,
    ...(needs === undefined ? {} : { needs }),
    ...(layers === undefined ? {} : { layers }),
    ...(users === undefined ? {} : { users }),
    ...(groups === undefined ? {} : { groups }),
    ...(files === undefined ? {} : { files }),
  };
}

/** Of `name=version` and `name:architecture`. */
function nameOf(asked: string): string {
  return asked.replace(/[=:].*/s, "");
}

const ID = 2 ** 31 - 1;

/** The name of a user or group (adduser(8)). */
function accountName(field: Field): string {
  const name = field.text();
  if (!/^[a-z_][a-z0-9_-]{0,31}$/i.test(name)) throw field.bad(`"${printable(name)}" cannot be the name of a user or group`);
  return name;
}

function userOf(field: Field): Account {
  const map = field.map(["name", "uid", "gid", "home", "shell", "comment"]);
  const gid = map.get("gid")?.number(0, ID);
  const home = map.get("home")?.path();
  const shell = map.get("shell")?.text();
  const comment = map.get("comment")?.text();
  return {
    name: accountName(map.need("name")),
    uid: map.need("uid").number(0, ID),
    ...(gid === undefined ? {} : { gid }),
    ...(home === undefined ? {} : { home }),
    ...(shell === undefined ? {} : { shell }),
    ...(comment === undefined ? {} : { comment }),
  };
}

function groupOf(field: Field): Group {
  const map = field.map(["name", "gid", "members"]);
  const members = map.get("members")?.texts();
  return { name: accountName(map.need("name")), gid: map.need("gid").number(0, ID), ...(members === undefined ? {} : { members }) };
}

function fileOf(field: Field, recipe: string): RecipeFile {
  const map = field.map(["path", "text", "source", "link", "directory", "mode", "uid", "gid"]);
  const kinds = ["text", "source", "link", "directory"].filter((key) => map.get(key) !== undefined);
  if (kinds.length !== 1) throw field.bad("has one of text, source, link and directory");
  const [mode, uid, gid] = [map.get("mode")?.mode(), map.get("uid")?.number(0, ID), map.get("gid")?.number(0, ID)];
  const facts = {
    path: map.need("path").path(),
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
  const link = map.get("link")?.text();
  if (link !== undefined) return { ...facts, link };
  if (map.get("directory")) {
    if (!map.get("directory")?.bool()) throw field.bad("is a directory or not there");
    return { ...facts, directory: true };
  }
  const text = map.get("text")?.text();
  if (text !== undefined) return { ...facts, bytes: Buffer.from(text) };
  const source = resolve(dirname(recipe), map.need("source").text());
  const bytes = readSmallFile(source, SOURCE_BYTES);
  if (bytes === undefined) throw map.need("source").bad(`${printable(source)}: there is no such file`);
  return { ...facts, bytes };
}
