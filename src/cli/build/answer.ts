import type { BuildRequest } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Invocation } from "../command.ts";

/** `--check`, `--call` and `--print`: answers about a Dockerfile instead of, or beside, a build. */
export async function answer(_call: Invocation, _request: BuildRequest, asked: string): Promise<number> {
  throw new Failure("UNSUPPORTED", `build --call ${printable(asked)} is being written`);
}
