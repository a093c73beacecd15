import { AT_FDCWD } from "./flags.ts";
import type { Inside } from "./inside.ts";

/** Search path of a program when the environment has none: docker's. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a failed operation of the last part means to the user. */
export type ProgramTrouble = "missing" | "refused" | "interpreter";

const ENOENT = -2;
const ENOTDIR = -20;

/**
 * Becomes the program: each directory of PATH in turn. If none has it, tells why: something was there that may not be run, or is
 * a program whose interpreter or loader is missing, or nothing was there at all. The map says which operation means what.
 */
export function runProgram(inside: Inside): ReadonlyMap<number, ProgramTrouble> {
  const { table, spec } = inside;
  const troubles = new Map<number, ProgramTrouble>();
  const argv = table.list(spec.args);
  const envp = table.list(spec.env);
  const candidates = candidatePaths(spec.args[0] ?? "", spec.env);
  const run = (path: string, options: Parameters<typeof table.call>[2]) => table.call("execve", [table.text(path), argv, envp], options);
  for (const path of candidates) run(path, { ignore: true });
  // It did not work: once more, to see why.
  const result = table.register();
  for (const path of candidates) {
    const next = table.mark();
    run(path, { ignore: true, into: result });
    table.jumpEqual(result, ENOENT, next);
    table.jumpEqual(result, ENOTDIR, next);
    troubles.set(table.length, "refused");
    run(path, { label: `exec ${path}` });
    table.place(next);
  }
  for (const path of candidates) {
    const absent = table.mark();
    const there = table.mark();
    table.call("faccessat", [AT_FDCWD, table.text(path), 0, 0], { ignore: true, into: result });
    table.jumpEqual(result, 0, there);
    table.jump(absent);
    table.place(there);
    troubles.set(table.length, "interpreter");
    run(path, { label: `exec ${path}` });
    table.place(absent);
  }
  troubles.set(table.length, "missing");
  run(candidates.at(-1) ?? "", { label: `exec ${spec.args[0]}` });
  return troubles;
}

/** Where the program may be, in the order of PATH. An empty part of PATH is the current directory, as for execvp(3). */
export function candidatePaths(program: string, env: readonly string[]): readonly string[] {
  if (program.includes("/") || program === "") return [program];
  const path = env.findLast((one) => one.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
  return path.split(":").map((folder) => (folder === "" ? program : `${folder}/${program}`));
}
