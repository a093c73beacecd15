import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { isStaticProgram } from "./elf.ts";

/** A static busybox, and the names that it answers to. */
export interface Busybox {
  readonly path: string;
  readonly version: string;
  /** Sorted. */
  readonly applets: readonly string[];
}

/** Where a busybox may come from: gives a file, or says why there is none. `folder` is an empty place of its own to put files. */
export interface BusyboxSource {
  readonly name: string;
  find(folder: string): { readonly path: string } | { readonly why: string };
}

const PLACES = ["/bin/busybox", "/usr/bin/busybox", "/usr/lib/busybox/busybox-static", "/usr/local/bin/busybox"];

/** The machine's own. */
export const installedBusybox: BusyboxSource = {
  name: "this machine",
  find() {
    const path = PLACES.find(isStaticProgram);
    return path === undefined ? { why: "there is no static busybox in /bin or /usr/bin" } : { path: realpathSync(path) };
  },
};

const BOUND = { timeout: 120_000, maxBuffer: 1 << 20, encoding: "latin1" } as const;

/** Debian's package, through the machine's own apt, which verifies it as it does every package; nothing is installed. */
export const aptBusybox: BusyboxSource = {
  name: "apt-get download busybox-static",
  find(folder) {
    const fetched = spawnSync("apt-get", ["-q", "download", "busybox-static"], { ...BOUND, cwd: folder });
    if (fetched.error) return { why: "there is no apt-get" };
    const file = readdirSync(folder).find((name) => name.endsWith(".deb"));
    if (fetched.status !== 0 || file === undefined) return { why: lastLine(fetched.stderr) || "apt-get could not fetch it" };
    const root = join(folder, "root");
    mkdirSync(root);
    const unpacked = spawnSync("dpkg-deb", ["--extract", file, root], { ...BOUND, cwd: folder });
    if (unpacked.error || unpacked.status !== 0) return { why: "dpkg-deb could not unpack it" };
    const path = PLACES.map((place) => join(root, place)).find(isStaticProgram);
    return path === undefined ? { why: "the package holds no static busybox" } : { path };
  },
};

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/**
 * Takes the first source that has a busybox which runs here. `folder` is for what has to be fetched; the caller removes it. Throws
 * NOT_FOUND, with what each source said.
 */
export function findBusybox(folder: string, sources: readonly BusyboxSource[] = [installedBusybox, aptBusybox]): Busybox {
  const refusals: string[] = [];
  for (const [at, source] of sources.entries()) {
    const place = join(folder, `${at}`);
    mkdirSync(place, { recursive: true, mode: 0o700 });
    const found = source.find(place);
    const busybox = "why" in found ? found : ask(found.path);
    if (!("why" in busybox)) return busybox;
    refusals.push(`${source.name}: ${busybox.why}`);
  }
  throw new Failure("NOT_FOUND", `no toolbox can be made: ${refusals.join("; ")}`, {
    hint: "Install Debian's package busybox-static, or name another image: nought debug --image IMAGE.",
  });
}

/** What it is and what it can: it is run for that, with nothing in its environment. */
function ask(path: string): Busybox | { readonly why: string } {
  const run = (args: readonly string[]) => spawnSync(path, args, { ...BOUND, timeout: 10_000, env: {} });
  const list = run(["--list"]);
  const applets = [...new Set(list.stdout?.split("\n") ?? [])]
    .filter((name) => /^[[a-zA-Z0-9_.-]{1,40}$/.test(name) && !/^\.+$/.test(name))
    .sort();
  if (list.status !== 0 || !applets.includes("sh")) return { why: `${path} does not run here, or has no shell` };
  const version = /BusyBox v(\d[\w.]*)/.exec(run(["--help"]).stdout ?? "")?.[1] ?? "unknown";
  return { path, version, applets };
}
