import { createHash } from "node:crypto";
import { chmodSync, closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quietly, replaceFile } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { livenessOf, makerOf, uniqueToken } from "../kit/liveness.ts";
import { errnoOf } from "../kit/storage-failure.ts";
import { NBOX } from "./nbox-bytes.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";

/** The helper on this machine's disk. */
export interface Helper {
  readonly path: string;
  /** An empty directory that sandboxes mount over, each in its own mount namespace. */
  readonly stage: string;
  readonly architecture: CallArchitecture;
}

let installed: Helper | undefined;

/**
 * Installs the helper in a directory of the user's own and verifies its bytes by hash; once per process. It is put there with a rename, so
 * that whoever starts it at the same time sees it whole. Throws SANDBOX for processors without one, and where no directory will have it.
 */
export function installHelper(env: Readonly<Record<string, string | undefined>> = process.env): Helper {
  if (installed) return installed;
  const architecture = process.arch;
  const known = NBOX[architecture];
  if (!known || (architecture !== "x64" && architecture !== "arm64"))
    throw new Failure("SANDBOX", `there is no sandbox helper for ${architecture} processors`, { hint: "RUN steps need x86-64 or arm64." });
  const tried: string[] = [];
  for (const base of candidates(env)) {
    try {
      const folder = join(base, "helper");
      for (const one of [base, folder, join(folder, "stage")]) ownDirectory(one);
      const path = join(folder, `nbox-${known.sha256.slice(0, 16)}`);
      if (!isIntact(path, known.sha256)) {
        replaceFile(join(folder, `new-${uniqueToken()}`), path, Buffer.from(known.base64, "base64"), { mode: 0o755 });
        if (!isIntact(path, known.sha256)) throw new Error("it does not hold what was written to it");
      }
      sweep(folder);
      installed = { path, stage: join(folder, "stage"), architecture };
      return installed;
    } catch (error) {
      tried.push(`${base}: ${errnoOf(error) ?? (error as Error).message}`);
    }
  }
  throw new Failure("SANDBOX", `the sandbox helper could not be installed (${tried.join("; ")})`, {
    hint: "Set XDG_CACHE_HOME to a directory of your own that can be written to.",
  });
}

/** Where the helper may lie, the best first. */
function candidates(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const own = `nought-${process.getuid?.() ?? 0}`;
  const found = [
    env["XDG_CACHE_HOME"]?.startsWith("/") && join(env["XDG_CACHE_HOME"], "nought"),
    env["HOME"]?.startsWith("/") && join(env["HOME"], ".cache/nought"),
    env["XDG_RUNTIME_DIR"]?.startsWith("/") && join(env["XDG_RUNTIME_DIR"], "nought"),
    join(tmpdir(), own),
  ];
  return [...new Set(found.filter((one) => typeof one === "string"))];
}

/** Makes the directory if it is missing. What runs from it must not be anybody else's to change. */
function ownDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const facts = lstatSync(path);
  if (!facts.isDirectory() || facts.uid !== process.geteuid?.()) throw new Error("it belongs to somebody else");
  if ((facts.mode & 0o022) !== 0) chmodSync(path, 0o700);
}

/** Removes what processes that were killed left here. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const maker = /^(?:table|enter|new)-/.test(name) ? makerOf(name.slice(name.indexOf("-") + 1)) : undefined;
    if (maker && livenessOf(maker) === "dead") quietly(() => unlinkSync(join(folder, name)));
  }
}

function isIntact(path: string, sha256: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile() || facts.uid !== process.geteuid?.() || (facts.mode & 0o777) !== 0o755) return false;
    return createHash("sha256").update(readFileSync(fd)).digest("hex") === sha256;
  } finally {
    quietly(() => closeSync(fd));
  }
}
