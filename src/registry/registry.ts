import { createWire } from "../net/wire.ts";
import { parseReference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";
import { forget } from "./answer.ts";
import { createClient } from "./client.ts";
import type { Registry, RegistryOptions } from "./face.ts";
import { readCatalog } from "./names.ts";

/** A registry (`host[:port]`) as a whole. Opens no connection yet. Throws REFERENCE for what is no host, AUTH where it is blocked. */
export async function openRegistry(host: string, options: RegistryOptions, task: Task): Promise<Registry> {
  const locations = await options.locate(parseReference(`${host}/any`));
  const location = locations.find((one) => !one.mirror) ?? locations[0];
  if (!location) throw new Error("internal: a name without a location");
  const wire = createWire({ env: options.env, ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }) });
  const client = createClient({ ...location, repository: "" }, wire, options);
  return {
    async ping() {
      const what = `login to ${location.host}`;
      await forget(await client.ask({ method: "GET", to: "/v2/", rights: [], accept: [200], what }, task));
    },
    catalog: (within) => readCatalog(client, within),
    async [Symbol.asyncDispose]() {
      wire.close();
    },
  };
}
