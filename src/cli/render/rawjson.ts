import type { Failure } from "../../kit/error.ts";
import type { TaskEvent } from "../../task/task.ts";
import { calmJson } from "./json.ts";
import type { Renderer } from "./progress.ts";

interface Vertex {
  readonly digest: string;
  readonly name: string;
  started?: string;
  completed?: string;
  cached?: true;
  error?: string;
  code?: string;
}

/**
 * One JSON object per line in the shape of BuildKit's SolveStatus (vertexes, statuses, logs, warnings; `data` and `short` in base64), so
 * that programs which read buildx's rawjson read this. A failure closes the stream as `{"failure": …}`.
 */
export function createRawJson(write: (text: string) => void): Renderer {
  const vertexes = new Map<string, Vertex>();
  const transfers = new Map<string, string>();
  const line = (value: unknown) => write(`${calmJson(JSON.stringify(value))}\n`);

  function listener(event: TaskEvent): void {
    const timestamp = new Date(event.at).toISOString();
    switch (event.type) {
      case "step": {
        const vertex = vertexes.get(event.id) ?? { digest: event.id, name: event.label };
        vertexes.set(event.id, vertex);
        vertex.started ??= timestamp;
        if (event.state !== "started") vertex.completed = timestamp;
        if (event.state === "cached") vertex.cached = true;
        if (event.failure) Object.assign(vertex, { error: event.failure.message, code: event.failure.code });
        return line({ vertexes: [vertex] });
      }
      case "bytes": {
        const key = `${event.id}\n${event.label}`;
        const started = transfers.get(key) ?? timestamp;
        transfers.set(key, started);
        const complete = event.total !== undefined && event.done >= event.total;
        const status = { id: event.label, vertex: event.id, name: event.label, current: event.done, timestamp, started };
        const total = event.total === undefined ? {} : { total: event.total };
        return line({ statuses: [{ ...status, ...total, ...(complete ? { completed: timestamp } : {}) }] });
      }
      case "status": {
        const status = { id: event.text, vertex: event.id, current: 0, timestamp, started: timestamp, completed: timestamp };
        return line({ statuses: [status] });
      }
      case "output":
        return line({ logs: [{ vertex: event.id, stream: event.stream, data: base64(event.text), timestamp }] });
      case "finding": {
        const range = event.source
          ? {
              sourceInfo: { filename: event.source.file },
              range: [{ start: { line: event.source.line }, end: { line: event.source.endLine } }],
            }
          : {};
        const detail = event.detail === undefined ? {} : { detail: [base64(event.message)] };
        const short = base64(`${event.rule}: ${event.detail ?? event.message}`);
        return line({
          warnings: [{ vertex: "", level: 1, rule: event.rule, short, ...detail, ...(event.url ? { url: event.url } : {}), ...range }],
        });
      }
      case "note":
        return line({ notes: [{ text: event.text, timestamp }] });
    }
  }

  function finish(failure?: Failure): void {
    if (!failure) return;
    const { code, message, exit, hint, source } = failure;
    line({ failure: { code, message, exit, ...(hint === undefined ? {} : { hint }), ...(source === undefined ? {} : { source }) } });
  }

  return { listener, finish, tellsFailure: true };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
