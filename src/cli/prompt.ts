import type { Invocation } from "./command.ts";

/**
 * Asks before something is removed, in docker's words. Anything but `y` or `yes`, and no answer at all, is a no. The question goes to
 * standard output as with docker; a signal while it waits ends the program.
 */
export async function confirm(call: Invocation, warning: string): Promise<boolean> {
  call.out(`WARNING! ${warning} [y/N] `);
  const answer = await readLine(call.signal);
  return /^\s*y(?:es)?\s*$/i.test(answer);
}

/** One line of standard input, at most 100 characters of it. */
function readLine(signal: AbortSignal): Promise<string> {
  const input = process.stdin;
  let text = "";
  return new Promise((resolve, reject) => {
    const done = () => {
      input.pause();
      input.removeAllListeners();
      signal.removeEventListener("abort", stop);
      resolve(text.split("\n")[0] as string);
    };
    const stop = () => {
      input.pause();
      reject(signal.reason as Error);
    };
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop);
    input.setEncoding("utf8");
    input.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n") || text.length > 100) done();
    });
    input.on("end", done);
    input.on("error", done);
  });
}
