import type { Agent } from "node:http";
import { httpOf } from "./http.ts";

/** Connections that stay open for the next request to the same server, for callers that fetch many files. */
export interface Connections extends Disposable {
  /** The agent for a protocol and the proxies that an environment names. */
  agentFor(protocol: string, env: NodeJS.ProcessEnv): Promise<Agent>;
}

/** Connections at once to one server. */
const SOCKETS = 8;

/** Opens nothing yet. Idle connections do not keep the process alive; dispose closes them. */
export function createConnections(): Connections {
  const agents = new Map<string, Agent>();
  return {
    async agentFor(protocol, env) {
      const names = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);
      const key = [protocol, ...names.map((name) => env[name] ?? "")].join("\n");
      let agent = agents.get(key);
      if (agent === undefined) {
        const { Agent } = httpOf(protocol);
        agent = agents.get(key) ?? new Agent({ keepAlive: true, maxSockets: SOCKETS, scheduling: "lifo", proxyEnv: env });
        agents.set(key, agent);
      }
      return agent;
    },
    [Symbol.dispose]() {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}
