import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BuildRequest, NamedContext } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { readSmallFile } from "../../kit/read-file.ts";
import { readNamedContext } from "./contexts.ts";

const NAME = "nought.yaml";
const BYTES = 1 << 20;

/**
 * The contexts of a file `nought.yaml` beside the Dockerfile: `contexts:` with a name and a value each, as `--build-context NAME=VALUE` has
 * them. Images only: the file may come with somebody else's sources, and those must not reach folders of this machine that nobody gave
 * them. Nothing where the Dockerfile is not a file on disk or has no such file beside it. Throws USAGE with the line for what does not
 * belong, and what readNamedContext throws.
 */
export async function contextsBeside(dockerfile: BuildRequest["dockerfile"]): Promise<readonly (readonly [string, NamedContext])[]> {
  if (dockerfile.kind !== "path") return [];
  const path = join(dirname(dockerfile.path), NAME);
  if (!existsSync(path)) return [];
  const bytes = readSmallFile(path, BYTES);
  if (bytes === undefined) return [];
  const [{ LineCounter, parseDocument }, { Field }] = await Promise.all([import("yaml"), import("../../base/yaml-field.ts")]);
  const lines = new LineCounter();
  const document = parseDocument(bytes.toString("utf8"), { lineCounter: lines, strict: true, uniqueKeys: true });
  const mark = (offset: number | undefined) => `${printable(path)}:${lines.linePos(offset ?? 0).line}`;
  const [wrong] = document.errors;
  if (wrong) throw new Failure("USAGE", `${mark(wrong.pos[0])}: ${printable(wrong.message.split("\n")[0] ?? "")}`);
  const pairs = new Field(document.contents as never, mark, NAME).map(["contexts"]).get("contexts")?.pairs() ?? {};
  const found: (readonly [string, NamedContext])[] = [];
  for (const [name, value] of Object.entries(pairs)) {
    if (!/^(?:debian:|docker-image:\/\/)/.test(value))
      throw new Failure("USAGE", `${printable(path)}: ${printable(name)} is neither debian:SUITE?packages=… nor docker-image://NAME`, {
        hint: "Folders, archives and addresses are given with --build-context.",
      });
    found.push(await named(name, value, path));
  }
  return found;
}

async function named(name: string, value: string, path: string): Promise<readonly [string, NamedContext]> {
  try {
    return await readNamedContext(`${name}=${value}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, message, hint } = error;
    throw new Failure(code, `${printable(path)}: ${message}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
}
