import type { Failure } from "../kit/error.ts";
import type { SourceSpan } from "../kit/span.ts";

/**
 * What happens during a long call. Steps carry the digest of their definition as `id`, as BuildKit's vertices do, so that
 * any renderer can be written from these events alone. `at` is milliseconds since the epoch.
 */
export type TaskEvent = { readonly at: number } & (
  | {
      readonly type: "step";
      readonly id: string;
      readonly label: string;
      readonly state: "started" | "cached" | "done" | "failed";
      readonly stage?: string;
      readonly failure?: Failure;
    }
  | { readonly type: "bytes"; readonly id: string; readonly label: string; readonly done: number; readonly total?: number }
  /** A part of a step that is done, in a few words: `naming to docker.io/library/app:1`. */
  | { readonly type: "status"; readonly id: string; readonly text: string }
  | { readonly type: "output"; readonly id: string; readonly stream: 1 | 2; readonly text: string }
  | {
      readonly type: "finding";
      readonly rule: string;
      readonly level: "info" | "warning" | "error";
      readonly message: string;
      readonly detail?: string;
      readonly url?: string;
      readonly source?: SourceSpan;
    }
  | { readonly type: "note"; readonly text: string }
);

/** An event before its time is added. */
export type TaskNews = TaskEvent extends infer Event ? (Event extends TaskEvent ? Omit<Event, "at"> : never) : never;

/** The thread through every long call: how to stop, and where to tell what happens. */
export interface Task {
  readonly signal: AbortSignal;
  emit(news: TaskNews): void;
}

/** A task whose events go to `listener`. Stops when `signal` does. */
export function createTask(listener: (event: TaskEvent) => void = () => {}, signal: AbortSignal = new AbortController().signal): Task {
  return { signal, emit: (news) => listener({ at: Date.now(), ...news } as TaskEvent) };
}
