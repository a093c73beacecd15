/** The tools that are measured. Each starts one fresh process per build; where its state lives says what "cold" means for it. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface Tool {
  readonly name: string;
  /** What a cold build means for it, for the table's foot. */
  readonly cold: string;
  /** Command line that builds `context` with the state of `round`; it may make folders, which is not timed. */
  command(context: string, round: string): readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const ROOT = join(import.meta.dirname, "..");

export function noughtPrefix(): readonly string[] {
  return words("NOUGHT_BENCH_NOUGHT") ?? [join(ROOT, "bin/nought")];
}

function words(variable: string): readonly string[] | undefined {
  const given = process.env[variable]?.trim();
  return given ? given.split(/\s+/) : undefined;
}

function onPath(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** nought with a store of its own in every round. */
export function nought(work: string): Tool {
  return {
    name: "nought",
    cold: "a store that does not exist yet, new bytes in a new folder",
    command: (context, round) => [...noughtPrefix(), "--store", join(work, `store-${round}`), "build", "-q", context],
  };
}

/** nought as on the second day: one store for all rounds, which knows other contexts but not these bytes. */
export function noughtUsed(work: string): Tool {
  return {
    name: "nought, used store",
    cold: "a store with other builds in it, new bytes in a new folder",
    command: (context) => [...noughtPrefix(), "--store", join(work, "store-used"), "build", "-q", context],
  };
}

/** The command that a peer is started with: the environment's, else the program of PATH. */
export function peerPrefix(name: string): readonly string[] | undefined {
  return words(`NOUGHT_BENCH_${name.toUpperCase()}`) ?? (onPath(name) ? [name] : undefined);
}

/** Peers by name, or the reason why one is missing. */
export function peer(name: string, work: string): Tool | string {
  const prefix = peerPrefix(name);
  if (!prefix) return `${name}: not on PATH and no NOUGHT_BENCH_${name.toUpperCase()}`;
  const [program = "", ...rest] = prefix;
  if (name === "docker") {
    const alive = spawnSync(program, [...rest, "version", "--format", "{{.Server.Version}}"], { encoding: "utf8" });
    if (alive.status !== 0) return "docker: no daemon answers";
    return {
      name: `docker ${alive.stdout.trim()}`,
      cold: "new bytes in a new folder (the daemon keeps its cache)",
      command: (context) => [...prefix, "build", "-q", context],
      env: { DOCKER_BUILDKIT: "1" },
    };
  }
  if (name === "buildah") {
    const alive = spawnSync(program, [...rest, "--version"], { encoding: "utf8" });
    if (alive.status !== 0) return `buildah: ${alive.stderr.trim()}`;
    return {
      name: alive.stdout.trim().split(" (")[0] as string,
      cold: "a store that does not exist yet, new bytes in a new folder",
      command: (context, round) => {
        const store = join(work, `buildah-${round}`);
        mkdirSync(join(store, "run"), { recursive: true });
        const where = ["--root", join(store, "root"), "--runroot", join(store, "run")];
        return [...prefix, ...where, "bud", "-q", "--layers", "--isolation", "chroot", context];
      },
    };
  }
  return `${name}: no peer that is known (docker, buildah)`;
}
