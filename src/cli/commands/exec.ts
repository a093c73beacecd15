import { Failure } from "../../kit/error.ts";
import type { Invocation } from "../command.ts";

/** `nought exec`: a further process in a running container. */
export async function run(_call: Invocation): Promise<number> {
  throw new Failure("UNSUPPORTED", "nought exec comes soon");
}
