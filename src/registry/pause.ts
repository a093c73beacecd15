import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../kit/error.ts";
import type { Task } from "../task/task.ts";
import { Refusal } from "./answer.ts";

/** Tries of one request, and milliseconds that all its pauses together may take. */
const ATTEMPTS = 5;
const PATIENCE = 60_000;
const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504, 522, 524]);

/** Counts the tries of one piece of work and waits between them. */
export interface Patience {
  /** Waits before the next try. False where there is none: `problem` is final. Throws INTERRUPTED. */
  again(problem: unknown, retryAfter?: string): Promise<boolean>;
  /** Something went well: counting starts anew. */
  progress(): void;
  readonly attempts: number;
}

/** Exponential pauses with jitter, starting at `firstMs`; a server's Retry-After counts where it is longer. RFC 9110, 10.2.3. */
export function createPatience(firstMs: number, task: Task, tell: (problem: unknown, attempt: number) => void = () => {}): Patience {
  let attempts = 1;
  let silences = 0;
  let left = PATIENCE;
  return {
    get attempts() {
      return attempts;
    },
    progress() {
      attempts = 1;
      silences = 0;
    },
    async again(problem, retryAfter) {
      if (task.signal.aborted || !isPassing(problem) || attempts >= ATTEMPTS) return false;
      // A server that says nothing for half a minute, and a name that nobody resolves, are given one more chance, not four.
      if (/^(?:STALLED|ETIMEDOUT|EAI_AGAIN)$/.test(codeOf(problem) ?? "") && ++silences > 1) return false;
      const own = firstMs * 2 ** (attempts - 1) * (0.75 + Math.random() / 2);
      const ms = Math.max(own, askedFor(retryAfter));
      if (left <= 0) return false;
      tell(problem, attempts);
      attempts++;
      const pause = Math.min(ms, left);
      left -= pause;
      try {
        await sleep(pause, undefined, { signal: task.signal });
      } catch {
        throw new Failure("INTERRUPTED", "interrupted while waiting to try again");
      }
      return true;
    },
  };
}

/** Whether trouble may pass: a status that says so, or a connection that broke. */
export function isPassing(problem: unknown): boolean {
  if (problem instanceof Refusal) return AGAIN.has(problem.status);
  const code = codeOf(problem);
  return code !== undefined && (/^(?:ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EAI_AGAIN|STALLED)$/.test(code) || code.startsWith("HPE_"));
}

/** The system's code of what broke a connection. */
export function codeOf(problem: unknown): string | undefined {
  return problem instanceof Failure && problem.code === "NETWORK" ? (problem.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
}

/** Milliseconds that a Retry-After header asks for, seconds or a date; 0 for anything else. */
function askedFor(header: string | undefined): number {
  const text = header?.trim() ?? "";
  const seconds = /^\d{1,12}$/.test(text) ? Number(text) : /[a-z]/i.test(text) ? (Date.parse(text) - Date.now()) / 1000 : 0;
  return seconds > 0 ? seconds * 1000 : 0;
}
