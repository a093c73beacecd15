import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Task } from "../task/task.ts";
import { readBody } from "./answer.ts";
import type { Client } from "./client.ts";

/** A page of a list, and whether the registry filtered it (`OCI-Filters-Applied`). */
export interface Page {
  readonly body: Buffer;
  readonly filtered: string;
}

/**
 * The pages of a list (tags, catalog, referrers), following `Link: <…>; rel="next"` on the same host only. Throws LIMIT for lists without
 * end, NETWORK for a link that leads elsewhere or in a circle. Distribution spec, "Listing Tags"; RFC 8288.
 */
export async function* pages(
  client: Client,
  path: string,
  rights: readonly string[],
  accept: string,
  what: string,
  task: Task,
): AsyncGenerator<Page> {
  const seen = new Set<string>();
  let to: string | undefined = path;
  while (to !== undefined) {
    if (seen.has(to)) throw new Failure("NETWORK", `${what}: the registry's list leads in a circle`);
    if (seen.size >= LIMITS.listEntries / 10) throw new Failure("LIMIT", `${what}: the list does not end`);
    seen.add(to);
    const answer = await client.ask({ method: "GET", to, rights, headers: { accept }, accept: [200, 204], what }, task);
    const body = await readBody(answer, LIMITS.listPageBytes, what);
    yield { body, filtered: String(answer.headers["oci-filters-applied"] ?? "") };
    to = nextOf(answer.headers["link"], to, client, what);
  }
}

function nextOf(link: string | string[] | undefined, current: string, client: Client, what: string): string | undefined {
  const text = Array.isArray(link) ? link.join(",") : (link ?? "");
  if (text === "" || text.length > 16_384) return undefined;
  const found = /<([^<>]*)>\s*;[^<]*\brel="?next"?/i.exec(text)?.[1];
  if (found === undefined || client.base === undefined) return undefined;
  let url: URL;
  try {
    url = new URL(found, new URL(current, client.base));
  } catch (cause) {
    throw new Failure("NETWORK", `${what}: the registry's link to the next page is no address`, { cause });
  }
  if (url.host !== client.base.host)
    throw new Failure("NETWORK", `${what}: the registry's list goes on at another host, which is not asked`);
  return url.pathname + url.search;
}
