import { findProgram } from "./engine.ts";

/** A program for networks without root. */
export interface NetworkProgram {
  readonly name: "pasta" | "slirp4netns";
  readonly path: string;
}

/** A port of the host that leads to one inside. */
export interface PublishedPort {
  /** Address of the host to listen on; all without it. */
  readonly host?: string;
  readonly hostPort: number;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** The program that carries packets between a network namespace and the host, pasta first. */
export function networkProgram(): NetworkProgram | undefined {
  for (const name of ["pasta", "slirp4netns"] as const) {
    const path = findProgram(name);
    if (path) return { name, path };
  }
  return undefined;
}
