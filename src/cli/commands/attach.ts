import { Failure } from "../../kit/error.ts";
import type { Invocation } from "../command.ts";

/** `nought attach`: the streams of a running container. */
export async function run(_call: Invocation): Promise<number> {
  throw new Failure("UNSUPPORTED", "nought attach comes soon");
}
