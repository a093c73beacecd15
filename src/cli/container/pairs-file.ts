import { readFileSync, statSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";

const LIMIT = 4 << 20;

/**
 * The lines of `--env-file` and `--label-file`: `NAME=value` as it stands, without quotes or escapes; `NAME` alone as asked for
 * elsewhere; empty lines and those that begin with `#` are left out. Throws USAGE in docker's words, STORAGE, LIMIT.
 */
export function readPairsFile(path: string, what: string): readonly string[] {
  let text: string;
  try {
    const facts = statSync(path);
    if (facts.size > LIMIT) throw new Failure("LIMIT", `${printable(path)} is larger than ${LIMIT >> 20} MiB`);
    text = readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    throw storageFailure(error, "could not read", path);
  }
  const lines = text.split(/\r?\n/).map((line) => line.trimStart());
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [name = ""] = line.split("=", 1);
      if (name === "")
        throw new Failure("USAGE", `invalid ${what} file: ${printable(path)}: no variable name on line '${printable(line)}'`);
      if (/\s/.test(name))
        throw new Failure("USAGE", `invalid ${what} file: ${printable(path)}: variable '${printable(name)}' contains whitespaces`);
      return line;
    });
}

/**
 * Variables as they are given: files first, then flags; a bare NAME is taken from `env`, and left out where it is not set. Throws USAGE.
 */
export function readVariables(
  files: readonly string[],
  given: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const all = [...files.flatMap((file) => readPairsFile(file, "env")), ...given];
  return all.flatMap((one) => {
    if (one === "" || one.startsWith("="))
      throw new Failure(
        "USAGE",
        `invalid argument "${printable(one)}" for "-e, --env" flag: invalid environment variable: ${printable(one)}`,
      );
    if (one.includes("=")) return [one];
    const value = env[one];
    return value === undefined ? [] : [`${one}=${value}`];
  });
}

/** Variables of the image with those of the command line: each name once, in the image's order. */
export function mergeVariables(image: readonly string[], given: readonly string[]): readonly string[] {
  const merged = new Map<string, string>();
  for (const one of [...image, ...given]) merged.set(one.split("=", 1)[0] as string, one);
  return [...merged.values()];
}

/** `--label` and `--label-file` as a map. */
export function readLabels(files: readonly string[], given: readonly string[]): Readonly<Record<string, string>> {
  const labels = new Map<string, string>();
  for (const one of [...files.flatMap((file) => readPairsFile(file, "label")), ...given]) {
    const at = one.indexOf("=");
    labels.set(at < 0 ? one : one.slice(0, at), at < 0 ? "" : one.slice(at + 1));
  }
  return Object.fromEntries(labels);
}
