import { Failure } from "../../kit/error.ts";
import { isTerminal } from "../../kit/terminal.ts";

/** Throws USAGE where `-it` is asked for and standard input is no terminal, in docker's words. */
export function checkTerminal(terminal: boolean, interactive: boolean): void {
  if (terminal && interactive && !isTerminal(0))
    throw new Failure("USAGE", "the input device is not a TTY", { hint: "Leave -t away, or run it in a terminal.", exit: 1 });
}
