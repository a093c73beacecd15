import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseReference, type Reference } from "../../oci/reference.ts";
import type { Merged } from "./files.ts";

/**
 * What a name may stand for that people wrote without a registry: its alias, else the name at each registry of
 * `unqualified-search-registries` in turn, else docker's own reading. A name with a registry stands for itself. Throws REFERENCE,
 * RESERVED, USAGE for an alias that is no full name. containers-registries.conf(5), "short-name aliasing".
 */
export function candidates(text: string, conf: Merged): readonly Reference[] {
  const name = parseReference(text);
  const { tag, digest } = name;
  const version = { ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
  const short = shortOf(text);
  if (short === undefined) return [name];
  const alias = conf.aliases.get(short);
  if (alias !== undefined) {
    const target = parseReference(alias);
    if (shortOf(alias) !== undefined || target.tag !== undefined || target.digest !== undefined)
      throw new Failure("USAGE", `the alias ${printable(short)} stands for ${printable(alias)}, which is not registry/repository`, {
        exit: 1,
      });
    return [{ ...target, ...version }];
  }
  if (conf.search.length === 0) return [name];
  return conf.search.map((registry) => ({ ...parseReference(`${registry}/${short}`), ...version }));
}

/** The repository as it was written, where no registry was; undefined for a name in full. */
function shortOf(text: string): string | undefined {
  const written = text.split("@")[0] as string;
  const colon = written.lastIndexOf(":");
  const repository = colon > written.lastIndexOf("/") ? written.slice(0, colon) : written;
  const slash = repository.indexOf("/");
  const first = slash < 0 ? "" : repository.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first ? undefined : repository;
}
