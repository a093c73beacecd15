import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { ContextWord } from "./contexts.ts";

/** The latest second that four-digit years and tar headers have room for. */
const LATEST = 253_402_300_799;

/**
 * SOURCE_DATE_EPOCH in seconds: of the flag, else of the build argument, else of the environment. `git` is the time of the context's last
 * commit. Throws USAGE for anything but whole seconds, NOT_FOUND where git has no answer.
 */
export async function readEpoch(
  flag: string | undefined,
  buildArg: string | undefined,
  env: string | undefined,
  context: ContextWord,
): Promise<number | undefined> {
  const [text, from] = flag !== undefined ? [flag, "--source-date-epoch"] : [buildArg ?? env, "SOURCE_DATE_EPOCH"];
  if (text === undefined || (text === "" && flag === undefined)) return undefined;
  if (text === "git" && flag !== undefined) return lastCommit(context);
  if (!/^\d{1,12}$/.test(text) || Number(text) > LATEST) {
    throw new Failure(
      "USAGE",
      `${from}: "${printable(text)}" is not a number of seconds since 1970${flag === undefined ? "" : ", nor git"}`,
    );
  }
  return Number(text);
}

async function lastCommit(context: ContextWord): Promise<number> {
  if (context.kind !== "dir") throw new Failure("USAGE", "--source-date-epoch git needs a folder as build context");
  // Nothing that a repository's own configuration could make git run: no pager, no signature check, no monitor.
  const safe = ["--no-pager", "-c", "log.showSignature=false", "-c", "core.fsmonitor=false", "-C", context.path];
  const args = [...safe, "log", "-1", "--no-show-signature", "--format=%ct"];
  const { execFile } = await import("node:child_process");
  return new Promise((resolve, reject) => {
    execFile(
      "git",
      args,
      { env: { ...process.env, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" }, maxBuffer: 1 << 16 },
      (error, stdout, stderr) => {
        const seconds = Number(stdout.trim());
        if (!error && /^\d+\n?$/.test(stdout)) resolve(seconds);
        else {
          const missing = (error as NodeJS.ErrnoException | null)?.code === "ENOENT";
          const why = missing ? "git is not installed" : printable((stderr.split("\n")[0] ?? "").slice(0, 300));
          reject(new Failure("NOT_FOUND", `--source-date-epoch git: no commit for ${printable(context.path)}: ${why}`));
        }
      },
    );
  });
}
