import type { AddressInfo } from "node:net";
import { Failure } from "../kit/error.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import type { PublishedPort } from "../sandbox/network-program.ts";
import type { ContainerRecord } from "./record.ts";

/**
 * The ports of a container for this start: those that are published, and with `-P` all that are exposed, each with a port of the host,
 * which is looked for where none is named. Throws CONFLICT where somebody listens there already.
 */
export async function publishedPorts({ options, config }: Pick<ContainerRecord, "options" | "config">): Promise<readonly PublishedPort[]> {
  if (options.network !== "default") return [];
  const named = new Set(options.ports.map((one) => `${one.port}/${one.protocol}`));
  const exposed = options.publishAll ? Object.keys(config.ExposedPorts ?? {}).filter((one) => !named.has(one)) : [];
  const all = [
    ...options.ports,
    ...exposed.flatMap((text) => {
      const [port, protocol] = text.split("/");
      return protocol === "tcp" || protocol === "udp" ? [{ port: Number(port), protocol, hostPort: 0 } as const] : [];
    }),
  ];
  const found: PublishedPort[] = [];
  for (const one of all) found.push({ ...one, hostPort: await freePort(one) });
  return found;
}

/** Listens for a moment: a port that is taken is told before anything was started. */
async function freePort({ host, hostPort, protocol }: PublishedPort): Promise<number> {
  try {
    return protocol === "tcp" ? await tryTcp(host, hostPort) : await tryUdp(host, hostPort);
  } catch (error) {
    const where = `${host ?? "0.0.0.0"}:${hostPort}`;
    const code = errnoOf(error);
    if (code === "EADDRINUSE")
      throw new Failure("CONFLICT", `Bind for ${where} failed: port is already allocated`, { hint: "Choose another port of the host." });
    if (code === "EACCES")
      throw new Failure("SANDBOX", `cannot expose privileged port ${hostPort}: only root may listen below 1024`, {
        hint: `Choose a port from 1024 on: -p ${hostPort + 8000}:…`,
      });
    throw new Failure("SANDBOX", `cannot listen on ${where}: ${code ?? (error as Error).message}`, { cause: error });
  }
}

async function tryTcp(host: string | undefined, port: number): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  return await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }), exclusive: true }, () => {
      const found = (server.address() as AddressInfo).port;
      server.close(() => resolve(found));
    });
  });
}

async function tryUdp(host: string | undefined, port: number): Promise<number> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket(host?.includes(":") ? "udp6" : "udp4");
  return await new Promise<number>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ port, ...(host === undefined ? {} : { address: host }), exclusive: true }, () => {
      const found = socket.address().port;
      socket.close(() => resolve(found));
    });
  });
}

/** Addresses that a published port is listened on, as people write them: all of both kinds where none was named. */
export function listenAddresses({ host }: Pick<PublishedPort, "host">): readonly string[] {
  if (host === undefined || host === "") return ["0.0.0.0", "[::]"];
  return [host.includes(":") ? `[${host}]` : host];
}
