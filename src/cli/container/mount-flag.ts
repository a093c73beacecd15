import { resolve } from "node:path";
import type { MountRequest } from "../../container/record.ts";
import { csvFields } from "../../dockerfile/csv.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { readBytes, readMode } from "./amount.ts";

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}$/;
/** Words of `-v` that change nothing here: labels of SELinux, caching of other systems, the propagation that everything has. */
const NO_EFFECT = new Set(["rw", "z", "Z", "cached", "consistent", "delegated", "default", "rprivate", "private", "copy", ""]);

/**
 * `-v [SOURCE:]TARGET[:OPTIONS]`: a directory or file of the host where the source has a slash, else a volume. A directory of the host
 * that is missing will be made. Throws USAGE.
 */
export function readVolume(text: string): MountRequest {
  const wrong = (why: string) => new Failure("USAGE", `invalid volume specification: '${printable(text)}': ${why}`);
  const parts = text.split(":");
  const [first = "", second, options = ""] = parts;
  if (parts.length > 3 || text === "" || parts.some((one, at) => one === "" && at < 2)) throw wrong("expected [SOURCE:]TARGET[:OPTIONS]");
  if (second === undefined) return { type: "volume", target: absolute(first, wrong), readonly: false, copy: true };
  const words = options === "" ? [] : options.split(",");
  const unknown = words.find((one) => !NO_EFFECT.has(one) && one !== "ro" && one !== "nocopy");
  if (unknown !== undefined) throw wrong(`invalid mode: ${printable(unknown)}`);
  const readonly = words.includes("ro");
  const target = absolute(second, wrong);
  if (/^(?:\/|\.{1,2}(?:\/|$))/.test(first)) return { type: "bind", source: resolve(first), target, readonly, create: true };
  if (!VOLUME_NAME.test(first))
    throw wrong(`"${printable(first)}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`);
  return { type: "volume", name: first, target, readonly, copy: !words.includes("nocopy") };
}

function absolute(path: string, wrong: (why: string) => Failure): string {
  if (!path.startsWith("/")) throw wrong(`invalid mount path: '${printable(path)}' mount path must be absolute`);
  return path;
}

/** `--mount type=bind|volume|tmpfs,source=…,target=…`. Throws USAGE, in docker's words. */
export function readMount(text: string): MountRequest {
  const wrong = (why: string) => new Failure("USAGE", `invalid argument "${printable(text)}" for "--mount" flag: ${why}`);
  const { values, flags } = readFields(text, wrong);
  const type = values.get("type") ?? "volume";
  const target = values.get("target");
  const source = values.get("source");
  if (target === undefined || target === "") throw wrong("target is required");
  const readonly = flags.has("readonly");
  absolute(target, wrong);
  if (type === "bind") {
    if (source === undefined || source === "") throw wrong("source is required");
    return { type: "bind", source: resolve(source), target, readonly, create: flags.has("bind-create-src") };
  }
  if (type === "tmpfs") {
    const [size, mode] = [values.get("tmpfs-size"), values.get("tmpfs-mode")];
    if (source !== undefined) throw wrong("a tmpfs has no source");
    return {
      type: "tmpfs",
      target,
      readonly,
      ...(size === undefined ? {} : { size: readBytes(size, "--mount") }),
      ...(mode === undefined ? {} : { mode: readMode(mode, "--mount") }),
    };
  }
  if (type !== "volume") throw wrong(`mount type unknown: "${printable(type)}"`);
  if (source !== undefined && source !== "" && !VOLUME_NAME.test(source)) throw wrong(`"${printable(source)}" is no name of a volume`);
  return { type: "volume", target, readonly, copy: !flags.has("volume-nocopy"), ...(source ? { name: source } : {}) };
}

const KEYS: Readonly<Record<string, string>> = { src: "source", dst: "target", destination: "target", ro: "readonly" };
const FLAGS = new Set(["readonly", "volume-nocopy", "bind-create-src", "bind-nonrecursive"]);
const VALUES = new Set(["type", "source", "target", "tmpfs-size", "tmpfs-mode", "bind-propagation", "consistency", "bind-recursive"]);

function readFields(
  text: string,
  wrong: (why: string) => Failure,
): { readonly values: ReadonlyMap<string, string>; readonly flags: ReadonlySet<string> } {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  for (const field of fields(text, wrong)) {
    const at = field.indexOf("=");
    const given = (at < 0 ? field : field.slice(0, at)).toLowerCase();
    const key = KEYS[given] ?? given;
    const value = at < 0 ? undefined : field.slice(at + 1);
    if (FLAGS.has(key)) {
      if (value !== undefined && !/^(?:true|false|1|0)$/.test(value)) throw wrong(`invalid value for ${key}: ${printable(value)}`);
      if (value === undefined || value === "true" || value === "1") flags.add(key);
    } else if (value === undefined) throw wrong(`invalid field '${printable(field)}' must be a key=value pair`);
    else if (!VALUES.has(key)) throw wrong(`unexpected key '${printable(given)}' in '${printable(field)}'`);
    else if (key === "bind-propagation" && !/^r?private$/.test(value)) throw wrong(`propagation ${printable(value)} is not supported`);
    else values.set(key, value);
  }
  return { values, flags };
}

function fields(text: string, wrong: (why: string) => Failure): readonly string[] {
  try {
    return csvFields(text);
  } catch (error) {
    if (error instanceof Mistake) throw wrong(error.message);
    throw error;
  }
}

/** `--tmpfs TARGET[:OPTIONS]`, with the options of mount(8). Throws USAGE. */
export function readTmpfs(text: string): MountRequest {
  const at = text.indexOf(":");
  const target = at < 0 ? text : text.slice(0, at);
  const wrong = (why: string) => new Failure("USAGE", `invalid argument "${printable(text)}" for "--tmpfs" flag: ${why}`);
  absolute(target, wrong);
  const found: Record<string, number | boolean> = {};
  for (const option of at < 0 ? [] : text.slice(at + 1).split(",")) {
    const [key = "", value = ""] = option.split("=");
    if (key === "size") found["size"] = readBytes(value, "--tmpfs");
    else if (key === "mode") found["mode"] = readMode(value, "--tmpfs");
    else if ((key === "uid" || key === "gid") && /^\d{1,10}$/.test(value)) found[key] = Number(value);
    else if (key === "exec" || key === "suid" || key === "dev") found[`no${key}`] = false;
    else if (key === "ro") found["readonly"] = true;
    else if (!["rw", "noexec", "nosuid", "nodev", ""].includes(key)) throw wrong(`unknown option ${printable(key)}`);
  }
  return { type: "tmpfs", target, readonly: false, ...found };
}
