import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { Invocation } from "../command.ts";
import { completionScript, SHELLS } from "../completion/scripts.ts";

/** `nought completion SHELL`: the script that teaches a shell our commands, flags and image names. */
export async function run(call: Invocation): Promise<void> {
  const shell = SHELLS.find((one) => one === call.args[0]);
  if (!shell) throw new Failure("USAGE", `no completion for ${printable(call.args[0] ?? "")}: there are ${SHELLS.join(", ")}`);
  call.out(completionScript(shell));
}
