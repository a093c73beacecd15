import { Failure } from "../../kit/error.ts";
import { printableLine } from "../../kit/printable.ts";
import { writeError } from "../output.ts";
import { renderFailure } from "./failure.ts";

/**
 * The one place where an error becomes text and an exit code. A Failure is the user's to mend and has no stack trace unless asked
 * for; an abort after a signal says so; anything else is a bug of ours.
 */
export function report(thrown: unknown, how: { readonly signalExit: number | undefined; readonly debug: boolean }): number {
  if (brokenPipe(thrown)) return 141;
  const error = withoutFolder(thrown) ?? thrown;
  const stack = how.debug && error instanceof Error ? `${trace(error)}\n` : "";
  if (how.signalExit !== undefined && !(error instanceof Failure && error.code !== "INTERRUPTED")) {
    writeError(`${stack}ERROR: interrupted\n`);
    return how.signalExit;
  }
  if (error instanceof Failure) {
    writeError(stack + renderFailure(error));
    return how.signalExit ?? error.exit;
  }
  const what = error instanceof Error ? error.message : String(error);
  writeError(
    `${stack}ERROR: ${what.split("\n").map(printableLine).join("\n")}\n` +
      "This is a mistake in nought, not yours. Please report it with the command and the output of the same with NOUGHT_DEBUG=1.\n",
  );
  return 70;
}

/** What to say when the working directory was removed under us: any relative path needs it. */
function withoutFolder(error: unknown): Failure | undefined {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).syscall !== "uv_cwd") return undefined;
  return new Failure("STORAGE", "the working directory does not exist any more", {
    hint: "Change to a folder that is there.",
    cause: error,
  });
}

/** Whether the reader of standard output went away, however deep that lies. */
function brokenPipe(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) if ((one as NodeJS.ErrnoException).code === "EPIPE") return true;
  return false;
}

function trace(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${trace(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
