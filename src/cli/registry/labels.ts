import type { TaskEvent } from "../../task/task.ts";

/** Shows blobs by the first twelve digits of their digests, as docker does. */
export function shortLabels(listener: (event: TaskEvent) => void): (event: TaskEvent) => void {
  return (event) =>
    listener(event.type === "bytes" ? { ...event, label: event.label.replaceAll(/sha256:([0-9a-f]{12})[0-9a-f]{52}/g, "$1") } : event);
}
