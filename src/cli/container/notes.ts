import { printableLine } from "../../kit/printable.ts";
import type { TaskEvent } from "../../task/task.ts";
import type { Invocation } from "../command.ts";

/** A listener that prints what a task has to say to people, and nothing of its progress. */
export function tellNotes(call: Pick<Invocation, "err">): (event: TaskEvent) => void {
  return (event) => {
    if (event.type === "note") call.err(`NOTE: ${printableLine(event.text)}\n`);
  };
}
