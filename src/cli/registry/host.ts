import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { DEFAULT_REGISTRY, parseReference } from "../../oci/reference.ts";
import { registryOf } from "../../registry/credentials/keys.ts";

/**
 * The registry that a word of `login` and `logout` means: `host[:port]`, docker's old URLs too, docker.io where there is none. Throws
 * USAGE.
 */
export function readHost(word: string | undefined): string {
  if (word === undefined || word === "") return DEFAULT_REGISTRY;
  const bare = word.replace(/^https?:\/\//i, "").replace(/\/(?:v[12]\/?)?$/, "");
  try {
    if (bare === "" || bare.includes("/")) throw new Failure("REFERENCE", "it is host[:port]");
    return registryOf(
      parseReference(`${bare.includes(".") || bare.includes(":") || bare === "localhost" ? bare : `${bare}:443`}/any`).registry,
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure("USAGE", `"${printable(word.slice(0, 200))}" is no registry: give host[:port]`);
  }
}
