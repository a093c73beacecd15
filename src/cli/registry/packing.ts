import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Flags } from "../flags.ts";
import type { Packing } from "./push.ts";

/** `--compression`, `--compression-level` and `--force-compression`: how plain layers are packed for a registry. Throws USAGE. */
export function readPacking(flags: Flags): Packing {
  const compression = flags.string("compression") ?? "gzip";
  if (compression !== "gzip" && compression !== "zstd")
    throw new Failure("USAGE", `compression "${printable(compression)}" is none of gzip, zstd`);
  const level = flags.int("compression-level");
  return { compression, force: flags.bool("force-compression"), ...(level === undefined ? {} : { level }) };
}
