import type { Program } from "../dockerfile/command.ts";
import type { Platform } from "../oci/platform.ts";
import type { Task } from "../task/task.ts";
import type { Inlet } from "./inlet.ts";
import type { BuildRequest } from "./request.ts";

/** Runs the build checks and tells what they find; throws CHECK where the file or the request asks for errors. */
export function check(
  _program: Program,
  _request: BuildRequest,
  _platforms: { readonly target: Platform; readonly build: Platform },
  _inlet: Inlet,
  _task: Task,
): void {}
