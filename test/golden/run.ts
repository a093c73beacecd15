/** Starts a program and waits for its end. */
import { execFile } from "node:child_process";

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function run(
  command: readonly string[],
  args: readonly string[],
  how: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly input?: Buffer },
): Promise<Ran> {
  const [program = "", ...first] = command;
  return new Promise((resolve) => {
    const child = execFile(
      program,
      [...first, ...args],
      { cwd: how.cwd, env: how.env, encoding: "utf8", maxBuffer: 64 << 20 },
      (error, stdout, stderr) => resolve({ status: error ? Number(error.code ?? 1) || 1 : 0, stdout, stderr }),
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(how.input);
  });
}
