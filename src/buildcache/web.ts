import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { nextHop } from "../net/hop.ts";
import { createWire, type Outgoing } from "../net/wire.ts";
import { refusalOf } from "../registry/answer.ts";
import { createPatience } from "../registry/pause.ts";
import type { Task } from "../task/task.ts";

/** One request to a service that keeps objects. */
export interface Question {
  readonly method: Outgoing["method"];
  readonly url: URL;
  /** Made for every try: signatures hold the time. */
  headers(): Readonly<Record<string, string>>;
  /** Made for every try. Its length stands in the headers. */
  readonly body?: () => Promise<NonNullable<Outgoing["body"]>>;
  /** Statuses that are an answer. */
  readonly accept: readonly number[];
  /** Starts the sentence of a failure. */
  readonly what: string;
}

/** Requests that are repeated while trouble may pass. */
export interface Web {
  /** Resolves with the head of an answer of an accepted status. Throws Refusal, NETWORK, AUTH, INTERRUPTED. */
  ask(question: Question, task: Task): Promise<IncomingMessage>;
  readonly retryMs: number;
  close(): void;
}

/** Opens no connection yet. Redirects are no answers: what is signed for one host is for no other. */
export function createWeb(env: NodeJS.ProcessEnv, retryMs = 500): Web {
  const wire = createWire({ env });
  return {
    retryMs,
    async ask(question, task) {
      const { method, url, body, accept, what } = question;
      const patience = createPatience(retryMs, task, (problem) =>
        task.emit({ type: "note", text: `${(problem as Failure).message}; trying again` }),
      );
      for (;;) {
        try {
          const out: Outgoing = {
            method,
            hop: nextHop(url.href),
            headers: { "accept-encoding": "identity", ...question.headers() },
            answerMs: LIMITS.answerMs,
            ...(body ? { body: await body() } : {}),
          };
          const answer = await wire.send(out, task);
          if (accept.includes(answer.statusCode ?? 0)) return answer;
          throw Object.assign(await refusalOf(answer, what), { retryAfter: answer.headers["retry-after"] });
        } catch (problem) {
          if (await patience.again(problem, (problem as { retryAfter?: string }).retryAfter)) continue;
          throw withoutQuery(problem, url);
        }
      }
    },
    close: () => wire.close(),
  };
}

/** Signed addresses are as good as passwords while they last: no message holds one. */
function withoutQuery(problem: unknown, url: URL): unknown {
  const query = printable(url.search);
  if (!(problem instanceof Failure) || query === "" || !problem.message.includes(query)) return problem;
  return new Failure(problem.code, problem.message.replaceAll(query, ""), {
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    exit: problem.exit,
  });
}
