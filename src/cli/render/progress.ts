import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import type { TaskEvent } from "../../task/task.ts";
import { writeError } from "../output.ts";

/** Shows the events of a task while it runs. Everything goes to standard error. */
export interface Renderer {
  readonly listener: (event: TaskEvent) => void;
  /** The task is over: last lines, cursor back. With a failure, what it came from is shown; the message itself is main's business. */
  finish(failure?: Failure): void;
  /** Whether a failure was already told in the renderer's own form, so that nobody need tell it again. */
  readonly tellsFailure: boolean;
}

export const PROGRESS_MODES = ["auto", "plain", "tty", "rawjson", "quiet", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Reads `--progress`, or BUILDKIT_PROGRESS where it was not given. Throws USAGE. */
export function progressMode(given: string | undefined, env: Readonly<Record<string, string | undefined>>): ProgressMode {
  const text = given ?? env["BUILDKIT_PROGRESS"] ?? "auto";
  const mode = PROGRESS_MODES.find((one) => one === text);
  if (!mode) throw new Failure("USAGE", `invalid progress mode ${printable(text)}: it is one of ${PROGRESS_MODES.join(", ")}`);
  return mode;
}

/** The renderer of a mode; `auto` redraws on a terminal that can and writes plain lines everywhere else. */
export async function createRenderer(mode: ProgressMode, env: Readonly<Record<string, string | undefined>>): Promise<Renderer> {
  const capable = isTerminal(2) && env["TERM"] !== "dumb" && env["TERM"] !== "";
  if (mode === "quiet" || mode === "none") return { listener: () => {}, finish: () => {}, tellsFailure: false };
  if (mode === "rawjson") return (await import("./rawjson.ts")).createRawJson(writeError);
  if (mode === "tty" || mode === "auto") {
    if (capable) {
      const { createTty } = await import("./tty.ts");
      const { stderr } = process;
      return createTty({ write: writeError, columns: () => stderr.columns || 80, rows: () => stderr.rows || 24, color: !env["NO_COLOR"] });
    }
    if (mode === "tty" && !isTerminal(2)) throw new Failure("USAGE", "--progress tty needs a terminal on standard error; use plain");
  }
  return (await import("./plain.ts")).createPlain(writeError);
}
