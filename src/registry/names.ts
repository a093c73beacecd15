import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { Task } from "../task/task.ts";
import type { Asked } from "./manifests.ts";
import { pages } from "./pages.ts";

/** All tags of a repository. An empty list where it has none. Distribution spec, "Listing Tags". */
export async function readTags({ client, repository, rights }: Asked, task: Task): Promise<readonly string[]> {
  const what = `tags of ${repository}`;
  return names(pages(client, `/v2/${repository}/tags/list?n=1000`, rights, "application/json", what, task), "tags", what);
}

/** All repositories of a registry, as far as it tells them. Docker registry API, "Listing Repositories". */
export async function readCatalog(client: Asked["client"], task: Task): Promise<readonly string[]> {
  const what = `catalog of ${client.location.host}`;
  return names(pages(client, "/v2/_catalog?n=1000", ["registry:catalog:*"], "application/json", what, task), "repositories", what);
}

async function names(list: ReturnType<typeof pages>, field: "tags" | "repositories", what: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { body } of list) {
    if (body.length === 0) continue;
    let page: unknown;
    try {
      page = (JSON.parse(body.toString("utf8")) as Record<string, unknown> | null)?.[field];
    } catch (cause) {
      throw new Failure("NETWORK", `${what}: the registry's list is not JSON`, { cause });
    }
    if (page === null || page === undefined) continue;
    if (!Array.isArray(page) || !page.every((one) => typeof one === "string"))
      throw new Failure("NETWORK", `${what}: the registry's list has no ${field}`);
    for (const one of page as string[]) found.push(one);
    if (found.length > LIMITS.listEntries) throw new Failure("LIMIT", `${what}: more than ${LIMITS.listEntries}`);
  }
  return found;
}
