import { DEFAULT_PATH } from "./program.ts";

export interface EnvironmentOptions {
  /** `NAME=value` of the image and of the command line, later ones winning. */
  readonly env: readonly string[];
  /** Home of the user. */
  readonly home: string;
  /** For `run`, which tells the host's name; BuildKit's steps do not. */
  readonly hostname?: string;
  readonly terminal?: boolean;
}

/**
 * The environment of a process: what is given, each name once, and PATH and HOME where they are missing. A container also finds
 * HOSTNAME, and TERM with a terminal, in docker's order: before what is given.
 */
export function environmentOf({ env, home, hostname, terminal }: EnvironmentOptions): readonly string[] {
  const values = new Map<string, string>([["PATH", DEFAULT_PATH]]);
  if (hostname !== undefined) values.set("HOSTNAME", hostname);
  if (terminal) values.set("TERM", "xterm");
  for (const one of env) {
    const at = one.indexOf("=");
    if (at > 0) values.set(one.slice(0, at), one.slice(at + 1));
  }
  if (!values.get("HOME")) values.set("HOME", home);
  return [...values].map(([name, value]) => `${name}=${value}`);
}
