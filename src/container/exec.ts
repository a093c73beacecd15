import { Failure } from "../kit/error.ts";
import type { ProcessIdentity } from "../kit/liveness.ts";
import { printable } from "../kit/printable.ts";
import { allCapabilities } from "../sandbox/capability.ts";
import { environmentOf } from "../sandbox/environment.ts";
import type { ExecSpec } from "../sandbox/exec.ts";
import { readSeccompFile } from "../sandbox/seccomp/file.ts";
import { type Container, requireRunning } from "./face.ts";
import { requireProgram } from "./runtime-program.ts";
import { userOf } from "./spec.ts";

/** A further process of a running container. */
export interface ExecRequest {
  readonly args: readonly string[];
  /** `NAME=value`, beyond the container's own. */
  readonly env: readonly string[];
  /** `name|uid[:group|gid]`; the container's own without it. */
  readonly user?: string;
  readonly workdir?: string;
  readonly terminal: boolean;
  readonly privileged: boolean;
}

/** The process to join. Throws CONFLICT where the container does not run. */
export function execTarget(container: Container): ProcessIdentity {
  requireRunning(container);
  const process = container.state.started?.process as ProcessIdentity;
  requireProgram(container.record.options.runtime, process);
  return process;
}

/** What is to be run, with what the container's own process has where nothing else is said. Throws NOT_FOUND for an unknown user. */
export function execSpec({ record, places }: Container, request: ExecRequest): ExecSpec {
  const { config, options } = record;
  const user = userOf(record, places, request.user ?? config.User ?? "");
  const cwd = request.workdir ?? (config.WorkingDir || "/");
  if (!cwd.startsWith("/")) throw new Failure("USAGE", `Cwd must be an absolute path: ${printable(cwd)}`, { exit: 1 });
  return {
    args: request.args,
    env: environmentOf({
      env: [...(config.Env ?? []), ...request.env],
      home: user.home,
      hostname: options.hostname,
      terminal: request.terminal,
    }),
    cwd,
    user,
    capabilities: request.privileged ? allCapabilities() : options.capabilities,
    seccomp: options.seccomp && !request.privileged,
    ...(options.seccompProfile === undefined ? {} : { seccompProfile: readSeccompFile(options.seccompProfile) }),
    ...(options.noNewPrivileges ? { noNewPrivileges: true } : {}),
    terminal: request.terminal,
    limits: { ulimits: options.ulimits },
  };
}

/** The same failure with the exit code that docker has for it, and what helps where a program is not there. */
export function asExecFailure(error: unknown, { record }: Container): unknown {
  if (!(error instanceof Failure) || error.code !== "SANDBOX") return error;
  if (error.exit !== 127) return error.exit === 126 ? error : withExit(error, 126);
  return new Failure("SANDBOX", error.message, {
    exit: 127,
    cause: error,
    hint: `The image has no such program. For a shell with tools beside it: nought debug ${record.name}`,
  });
}

function withExit(error: Failure, exit: number): Failure {
  return new Failure(error.code, error.message, { exit, cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
}
