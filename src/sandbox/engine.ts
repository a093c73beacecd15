import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { Failure } from "../kit/error.ts";
import { installHelper } from "./helper.ts";
import { INTERPRETER } from "./interpreter.ts";
import { syscallNumbers } from "./syscall-numbers.ts";

/** The program that performs tables, and the words before a table's. */
export interface EngineCommand {
  readonly name: "nbox" | "perl";
  readonly command: string;
  readonly args: readonly string[];
}

let chosen: EngineCommand | undefined;

/**
 * What performs tables here: the helper, or perl where the disk it lies on does not let programs run (noexec). Tried once per process.
 * NOUGHT_SANDBOX_ENGINE=perl asks for perl. Throws SANDBOX where neither can be started.
 */
export function engineCommand(): EngineCommand {
  chosen ??= choose(process.env["NOUGHT_SANDBOX_ENGINE"]);
  return chosen;
}

/** For tests: performs everything with this engine from now on; undefined chooses anew. */
export function setEngine(name: EngineCommand["name"] | undefined): void {
  chosen = name && choose(name);
}

function choose(wanted: string | undefined): EngineCommand {
  const helper = installHelper();
  const nbox: EngineCommand = { name: "nbox", command: helper.path, args: [] };
  // With nothing on its descriptor 3, the helper ends with 125 at once: then it could be started.
  if (wanted !== "perl" && spawnSync(helper.path, [], { stdio: "ignore" }).status === 125) return nbox;
  const perl = findProgram("perl");
  const numbers = syscallNumbers(helper.architecture);
  if (perl) return { name: "perl", command: perl, args: ["-e", INTERPRETER, `${numbers.get("clone")}`, `${numbers.get("clock_gettime")}`] };
  throw new Failure("SANDBOX", `the sandbox helper ${helper.path} may not be executed, and there is no perl to stand in for it`, {
    hint: "Set XDG_CACHE_HOME to a directory of your own on a file system that is not mounted with noexec, or install perl.",
  });
}

/** The absolute path of a program on PATH or in the directories of administration programs, which are not on everybody's PATH. */
export function findProgram(name: string, path: string | undefined = process.env["PATH"]): string | undefined {
  for (const folder of [...(path ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]) {
    if (!folder.startsWith("/")) continue;
    try {
      accessSync(`${folder}/${name}`, constants.X_OK);
      return `${folder}/${name}`;
    } catch {
      // Not there.
    }
  }
  return undefined;
}
