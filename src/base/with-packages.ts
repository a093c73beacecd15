import { isPackageName } from "../debian/relation.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { DEFAULT_REGISTRY, type Reference } from "../oci/reference.ts";
import { LIKE_ALPINE } from "./alpine.ts";
import { EMBEDDED } from "./embedded-recipes.ts";
import type { Recipe } from "./recipe.ts";

const PREFIX = "nought/debian/";
/** The part of a name after which packages come. */
const WITH = "with";
/** The part of a name that says that it stands in for an image of Alpine's. */
const ALPINE = "as-alpine";

/**
 * The image that `--build-context NAME=debian:SUITE?packages=a,b` means: a name in the reserved namespace, `nought/debian/with/a/b:SUITE`,
 * so that it is made once and found in the store from then on. Where `standsFor` is an image of Alpine's, it has that one's commands as
 * well (alpine.ts). Undefined for text that does not begin so. Throws USAGE.
 */
export function debianContext(text: string, standsFor = ""): Reference | undefined {
  const [, suite, query] = /^debian:([^?]*)(?:\?(.*))?$/.exec(text) ?? [];
  if (suite === undefined) return undefined;
  const bad = (why: string) =>
    new Failure("USAGE", `build context ${printable(text)}: ${why}`, { hint: "The form is debian:SUITE?packages=NAME,NAME." });
  if (!/^[a-z]{1,30}$/.test(suite)) throw bad("the suite is not a word such as trixie");
  const base = /(?:^|[/:-])alpine/.test(standsFor) ? `${PREFIX}${ALPINE}/` : PREFIX;
  if (query === undefined) return { registry: DEFAULT_REGISTRY, repository: base.slice(0, -1), tag: suite };
  const [, list] = /^packages=([^&=]+)$/.exec(query) ?? [];
  if (list === undefined) throw bad("only packages can be asked for");
  const names = [...new Set(list.split(","))].sort();
  const wrong = names.find((name) => !isPackageName(name) || encode(name) === undefined);
  if (wrong !== undefined) throw bad(`"${printable(wrong)}" is not the name of a package`);
  const repository = `${base}${WITH}/${names.map(encode).join("/")}`;
  if (repository.length > 250) throw bad("too many packages for a name; write a recipe (nought base build)");
  return { registry: DEFAULT_REGISTRY, repository, tag: suite };
}

/** The recipe behind such a name; undefined for any other. */
export function recipeWithPackages(reference: Reference): Recipe | undefined {
  if (reference.registry !== DEFAULT_REGISTRY || !reference.repository.startsWith(PREFIX)) return undefined;
  const parts = reference.repository.slice(PREFIX.length).split("/");
  const alpine = parts[0] === ALPINE;
  const [word, ...coded] = alpine ? parts.slice(1) : parts;
  if (word === undefined ? !alpine : word !== WITH || coded.length === 0) return undefined;
  const debian = EMBEDDED["debian"] as Recipe;
  const more = coded.length === 0 ? [] : [{ title: "packages asked for", packages: coded.map(decode) }];
  return { ...debian, stages: [...debian.stages, ...more, ...(alpine ? [LIKE_ALPINE] : [])] };
}

/** Names of images have no plus sign; names of packages have no underscore. */
function encode(name: string): string | undefined {
  const coded = name.replaceAll("+", "__p");
  return /^[a-z0-9]+(?:(?:\.|__|-+)[a-z0-9]+)*$/.test(coded) ? coded : undefined;
}

function decode(part: string): string {
  return part.replaceAll("__p", "+");
}
