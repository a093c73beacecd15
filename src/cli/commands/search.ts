import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { DEFAULT_REGISTRY } from "../../oci/reference.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";

/** `nought search`: repositories of a registry whose name has a word in it, one a line. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const [text = ""] = call.args;
  const { host, term } = readTerm(text);
  const limit = flags.int("limit") ?? 25;
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  const [{ openRegistry }, { surroundings }] = await Promise.all([
    import("../../registry/registry.ts"),
    import("../../registry/surroundings.ts"),
  ]);
  await using registry = await openRegistry(host, surroundings(call.env, task), task);
  let names: readonly string[];
  try {
    names = await registry.catalog(task);
  } catch (error) {
    // To know who asks is not enough for many: they show their catalogue to nobody.
    if (!(error instanceof Failure) || !["AUTH", "NOT_FOUND", "UNSUPPORTED"].includes(error.code)) throw error;
    throw new Failure("UNSUPPORTED", `${printable(host)} does not let its repositories be listed: ${error.message}`, {
      hint: `\`nought tags ${host === DEFAULT_REGISTRY ? "" : `${printable(host)}/`}NAME\` lists the tags of a repository whose name you know.`,
      cause: error,
    });
  }
  const found = names.filter((name) => name.includes(term)).slice(0, limit);
  if (flags.bool("json")) call.out(`${JSON.stringify(found.map((name) => `${host}/${name}`))}\n`);
  else for (const name of found) call.out(`${printable(host)}/${printable(name)}\n`);
}

/** `HOST/WORD` or `HOST:PORT`, where the first part can be a host; docker.io without. Throws USAGE for no word at all. */
function readTerm(text: string): { readonly host: string; readonly term: string } {
  // No repository has a colon.
  if (/^[^/]+:\d+$/.test(text) || text === "localhost") return { host: text, term: "" };
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(0, slash));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === "localhost");
  const term = (isHost ? text.slice(slash + 1) : text).toLowerCase();
  if (term === "" && !isHost) throw new Failure("USAGE", "search wants a word");
  return { host: isHost ? first : DEFAULT_REGISTRY, term };
}
