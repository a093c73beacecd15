import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";

/** A `[[registry.mirror]]` of registries.conf. */
export interface Mirror {
  /** `host[:port][/path]`. */
  readonly location: string;
  readonly insecure: boolean;
  readonly serves: "all" | "digest-only" | "tag-only";
}

/** A `[[registry]]`: what holds for names that begin with `prefix`. */
export interface Rule {
  /** `host[:port][/path…]`, or `*.domain`. */
  readonly prefix: string;
  /** What the prefix is replaced by; empty for `*.domain` without one: then names stay as they are. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
  /** Of nought's own file: hosts of token servers that may be told the password. */
  readonly tokenServers: readonly string[];
}

/** What one registries.conf says; what it does not say is undefined. */
export interface Conf {
  readonly search?: readonly string[];
  readonly rules: readonly Rule[];
  readonly aliases: ReadonlyMap<string, string>;
}

/** Host, port and path without a scheme and without a slash at the end. */
const PLACE = /^(?:\*\.)?[A-Za-z0-9[][A-Za-z0-9.:\]_-]*(?:\/[A-Za-z0-9._/-]*[A-Za-z0-9._-])?$/;

/** Required, not imported: one file in the place of a dozen, in a third of the time, before every pull and push. */
function parser(): (text: string) => unknown {
  const { createRequire } = process.getBuiltinModule("node:module");
  return (createRequire(`${import.meta.dirname}/`)("smol-toml") as typeof import("smol-toml")).parse;
}

/**
 * Reads a registries.conf of version 2 (containers-registries.conf(5)). Keys that are not known are passed over, as later versions have
 * more. Throws USAGE for what is no TOML, for version 1, and for values that make no sense; `where` names the file.
 */
export async function readConf(text: string, where: string): Promise<Conf> {
  const wrong = (why: string) =>
    new Failure("USAGE", `${printable(where)}: ${why}`, { exit: 1, hint: "See containers-registries.conf(5)." });
  const parse = parser();
  let table: Record<string, unknown>;
  try {
    table = parse(text) as Record<string, unknown>;
  } catch (cause) {
    const [first = ""] = String((cause as Error).message).split("\n");
    throw wrong(`not valid TOML: ${printable(first)}`);
  }
  if (table["registries"] !== undefined) throw wrong("it is of version 1, which is not read; write [[registry]] tables");
  const search = strings(table["unqualified-search-registries"], "unqualified-search-registries", wrong);
  const rules = tables(table["registry"], "registry", wrong).map((one) => ruleOf(one, wrong));
  const aliases = Object.entries(object(table["aliases"], "aliases", wrong)).map(([name, target]): [string, string] => {
    if (typeof target !== "string") throw wrong(`the alias ${printable(name)} is no string`);
    return [name, target];
  });
  for (const one of search ?? []) place(one, "unqualified-search-registries", wrong);
  return { rules, aliases: new Map(aliases), ...(search ? { search } : {}) };
}

type Wrong = (why: string) => Failure;

function ruleOf(table: Record<string, unknown>, wrong: Wrong): Rule {
  const location = text(table["location"], "location", wrong);
  const prefix = text(table["prefix"], "prefix", wrong) || location;
  if (prefix === "") throw wrong("a [[registry]] has neither prefix nor location");
  if (location === "" && !prefix.startsWith("*.")) throw wrong(`the registry ${printable(prefix)} has no location`);
  place(prefix, "prefix", wrong);
  if (location !== "") place(location, "location", wrong);
  const digestOnly = flag(table["mirror-by-digest-only"], "mirror-by-digest-only", wrong);
  const mirrors = tables(table["mirror"], "registry.mirror", wrong).map((one): Mirror => {
    const at = text(one["location"], "location", wrong);
    if (at === "") throw wrong(`a mirror of ${printable(prefix)} has no location`);
    const serves = text(one["pull-from-mirror"], "pull-from-mirror", wrong) || (digestOnly ? "digest-only" : "all");
    if (serves !== "all" && serves !== "digest-only" && serves !== "tag-only")
      throw wrong(`pull-from-mirror "${printable(serves)}" is none of all, digest-only, tag-only`);
    return { location: place(at, "location", wrong), insecure: flag(one["insecure"], "insecure", wrong), serves };
  });
  return {
    prefix,
    location,
    mirrors,
    insecure: flag(table["insecure"], "insecure", wrong),
    blocked: flag(table["blocked"], "blocked", wrong),
    tokenServers: strings(table["token-servers"], "token-servers", wrong) ?? [],
  };
}

function place(value: string, key: string, wrong: Wrong): string {
  if (value.includes("://")) throw wrong(`${key} "${printable(value)}" must not have a scheme`);
  if (!PLACE.test(value) || value.includes("..") || value.includes("//"))
    throw wrong(`${key} "${printable(value)}" is not host[:port][/path]`);
  return value;
}

function text(value: unknown, key: string, wrong: Wrong): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw wrong(`${key} is no string`);
  return value;
}

function flag(value: unknown, key: string, wrong: Wrong): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw wrong(`${key} is not true or false`);
  return value;
}

function strings(value: unknown, key: string, wrong: Wrong): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) throw wrong(`${key} is no list of strings`);
  return value as string[];
}

function tables(value: unknown, key: string, wrong: Wrong): readonly Record<string, unknown>[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(`${key} is no list of tables: write [[${key}]]`);
  return value.map((one) => object(one, key, wrong));
}

function object(value: unknown, key: string, wrong: Wrong): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(`${key} is no table`);
  return value as Record<string, unknown>;
}
