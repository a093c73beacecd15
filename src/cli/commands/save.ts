import { Failure } from "../../kit/error.ts";
import type { Invocation } from "../command.ts";

export async function run(call: Invocation): Promise<number> {
  throw new Failure("UNSUPPORTED", `nought ${call.path} is being written`);
}
