import { readFileSync } from "node:fs";
import type { BuildRequest } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import type { Invocation } from "../command.ts";

/**
 * Goes into a user namespace where a build will run something and this process may not mount: before anything is read from standard
 * input, or once the Dockerfile is known. The process then starts anew there, so that this does not return. Where that is not possible the
 * build goes on, since all of it may be in the cache, and the reason is given for the step that needs it.
 */
export async function enterForRun(call: Invocation, request?: BuildRequest): Promise<string | undefined> {
  const { flags } = call;
  const asked = flags.string("call") ?? "build";
  if (flags.bool("check") || asked !== "build" || flags.given("print")) return undefined;
  const stdin = flags.string("file") === "-" || (call.args[0] ?? flags.string("context")) === "-";
  // With standard input, before the request; without, after it.
  if (stdin !== (request === undefined)) return undefined;
  if (request && !mayRun(request)) return undefined;
  const [{ ownPrivileges }, { enterUserNamespace }] = await Promise.all([
    import("../../sandbox/privileges.ts"),
    import("../../sandbox/userns.ts"),
  ]);
  if (ownPrivileges().mayMount) return undefined;
  try {
    enterUserNamespace();
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "SANDBOX") throw error;
    return error.message;
  }
  return undefined;
}

/** Whether a Dockerfile may have a RUN. Of one that is not at hand yet, nobody knows. */
function mayRun({ dockerfile }: BuildRequest): boolean {
  if (dockerfile.kind === "inside") return true;
  let text = "";
  try {
    text = dockerfile.kind === "text" ? dockerfile.text : readFileSync(dockerfile.path, "utf8");
  } catch {
    // The build says what is wrong with it.
  }
  return /^\s*(?:ONBUILD\s+)?RUN\s/im.test(text);
}
