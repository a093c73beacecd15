import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { type Hop, nextHop } from "../net/hop.ts";
import type { TlsFacts, Wire } from "../net/wire.ts";
import type { Task } from "../task/task.ts";
import { forget, refusalOf } from "./answer.ts";
import { type Authorizer, createAuthorizer } from "./authorizer.ts";
import { type Challenge, readChallenges } from "./challenge.ts";
import type { Location, RegistryOptions } from "./face.ts";
import { isLoopback } from "./loopback.ts";
import { codeOf, createPatience } from "./pause.ts";

/** One question to a registry. */
export interface Ask {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query below the host (`/v2/app/tags/list`), or a whole URL that the registry gave (`Location`). */
  readonly to: string | URL;
  readonly rights: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or a stream that can be had once: then nothing is repeated. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Statuses that are an answer. Everything else throws. */
  readonly accept: readonly number[];
  /** Starts the sentence of a failure: `manifest app:1`. */
  readonly what: string;
  readonly answerMs?: number;
}

/** Talks to one host. */
export interface Client {
  readonly location: Location;
  /** `https://host`, known after the first answer. */
  readonly base: URL | undefined;
  /** Asks, logs in where it must, follows redirects of reads, repeats what may pass. Throws Refusal, NETWORK, AUTH, INTERRUPTED. */
  ask(question: Ask, task: Task): Promise<IncomingMessage>;
}

/** Opens no connection yet. */
export function createClient(location: Location, wire: Wire, options: RegistryOptions): Client {
  const plainAllowed = location.insecure || isLoopback(location.host);
  let base: URL | undefined;
  let authorizer: Authorizer | undefined;
  let tls: Promise<TlsFacts> | undefined;
  /** The first hop of everything: it remembers whether the host is an inner one, where others may be sent to. */
  let home: Hop | undefined;
  let greeting: readonly Challenge[] = [];
  const facts = () => (tls ??= tlsOf(location, options));

  /** Says hello: whether the host speaks https (http only where that is allowed), and how it wants to know who asks. */
  async function greet(task: Task): Promise<URL> {
    if (base) return base;
    let problem: unknown;
    const { ca, cert } = await facts();
    // Loading TLS for a registry that does without costs as much as a small pull; nobody listens in between here and here.
    const plainFirst = isLoopback(location.host) && /:\d+$/.test(location.host) && ca === undefined && cert === undefined;
    const schemes = !plainAllowed ? ["https"] : plainFirst ? ["http", "https"] : ["https", "http"];
    for (const scheme of schemes) {
      const url = new URL(`${scheme}://${location.host}`);
      const another = scheme !== schemes.at(-1);
      try {
        const hop = nextHop(`${url.origin}/v2/`);
        const answer = await wire.send({ method: "GET", hop, headers: { accept: "*/*" }, tls: await facts() }, task);
        await forget(answer);
        // Servers of TLS say this to whoever speaks plainly.
        if (scheme === "http" && answer.statusCode === 400 && another) continue;
        if (answer.statusCode === 401) greeting = readChallenges(answer.headers["www-authenticate"]);
        home ??= hop;
        return (base ??= url);
      } catch (error) {
        if (base) return base;
        if (another && (scheme === "https" ? speaksNoTls(error, location.host) : speaksNoHttp(error))) {
          problem = error;
          continue;
        }
        // What is no HTTP was TLS after all; what is no TLS was HTTP, and its line broke.
        throw problem !== undefined && (scheme === "https" ? speaksNoTls(error, location.host) : speaksNoHttp(error)) ? problem : error;
      }
    }
    throw problem;
  }

  const send = async (hop: Hop, question: Ask, headers: Record<string, string>, task: Task) =>
    wire.send(
      {
        method: question.method,
        hop,
        headers,
        // A relaxed check is for the host it was configured for.
        tls: hop.url.host === location.host ? await facts() : { verify: true },
        ...(question.body === undefined ? {} : { body: question.body }),
        ...(question.answerMs === undefined ? {} : { answerMs: question.answerMs }),
      },
      task,
    );

  async function round(question: Ask, origin: URL, who: Authorizer, task: Task): Promise<IncomingMessage> {
    let hop = nextHop(question.to instanceof URL ? question.to.href : `${origin.origin}${question.to}`, home);
    let logins = 0;
    let redirects = 0;
    for (;;) {
      const ours = hop.url.origin === origin.origin;
      const header = ours && (redirects === 0 || logins > 0) ? await who.header(question.rights, task) : undefined;
      const headers = { "accept-encoding": "identity", ...question.headers, ...(header === undefined ? {} : { authorization: header }) };
      const answer = await send(hop, question, headers, task);
      const status = answer.statusCode ?? 0;
      const to = answer.headers.location;
      if (status >= 300 && status < 400 && to !== undefined && (question.method === "GET" || question.method === "HEAD")) {
        await forget(answer);
        if (++redirects > LIMITS.redirects)
          throw new Failure("NETWORK", `${question.what}: ${location.host} redirects more than ${LIMITS.redirects} times`);
        hop = nextHop(to, hop);
        continue;
      }
      if (question.accept.includes(status)) return answer;
      const challenges = readChallenges(answer.headers["www-authenticate"]);
      const lacking = status === 403 && challenges.some((one) => one.parameters.get("error") === "insufficient_scope");
      if (ours && (status === 401 || lacking) && logins < 2) {
        const refusal = await refusalOf(answer, question.what);
        logins++;
        const streamed = question.body !== undefined && !(question.body instanceof Uint8Array);
        if (!(await who.challenged(challenges, question.rights, header))) throw withHint(refusal, location);
        if (streamed) throw refusal;
        continue;
      }
      const refusal = await refusalOf(answer, question.what);
      throw refusal.code === "AUTH" ? withHint(refusal, location) : Object.assign(refusal, { retryAfter: answer.headers["retry-after"] });
    }
  }

  return {
    location,
    get base() {
      return base;
    },
    async ask(question, task) {
      const patience = createPatience(options.retryMs ?? 500, task, (problem) =>
        task.emit({ type: "note", text: `${(problem as Failure).message}; trying again` }),
      );
      const repeatable = question.body === undefined || question.body instanceof Uint8Array;
      for (;;) {
        try {
          const origin = await greet(task);
          authorizer ??= createAuthorizer(
            origin,
            location,
            () => options.credentials.find(location.host, location.repository),
            async ({ method, url, headers, body }, within) =>
              wire.send(
                {
                  method,
                  hop: nextHop(url.href),
                  headers,
                  tls: url.host === location.host ? await facts() : { verify: true },
                  ...(body ? { body } : {}),
                },
                within,
              ),
            options.identity,
          );
          if (greeting.length > 0) await authorizer.challenged(greeting, [], undefined);
          greeting = [];
          return await round(question, origin, authorizer, task);
        } catch (problem) {
          if (task.signal.aborted) throw new Failure("INTERRUPTED", `${question.what}: interrupted`, { cause: problem });
          const after = (problem as { retryAfter?: string }).retryAfter;
          if (repeatable && (await patience.again(problem, after))) continue;
          throw withAttempts(problem, patience.attempts);
        }
      }
    },
  };
}

async function tlsOf(location: Location, options: RegistryOptions): Promise<TlsFacts> {
  return { ...(await options.tls?.(location.host)), verify: !location.insecure };
}

/** Whether a host that was spoken to with TLS answered in something else, or not at all on the usual port. */
function speaksNoTls(error: unknown, host: string): boolean {
  const code = codeOf(error) ?? "";
  return /^(?:EPROTO|ERR_SSL|HPE_|ECONNRESET)/.test(code) || (code === "ECONNREFUSED" && !/:\d+$/.test(host));
}

/** Whether what answered a plain request is no HTTP: a server of TLS hangs up, or sends an alert. */
function speaksNoHttp(error: unknown): boolean {
  return /^(?:HPE_|ECONNRESET)/.test(codeOf(error) ?? "");
}

function withHint(failure: Failure, location: Location): Failure {
  if (failure.hint !== undefined) return failure;
  return new Failure("AUTH", failure.message, {
    hint: `Log in with \`nought login ${printable(location.host)}\`, or check the rights of the account.`,
    cause: failure,
  });
}

/** A problem that stays, with how often it was tried. */
function withAttempts(problem: unknown, attempts: number): unknown {
  if (!(problem instanceof Failure) || problem.code !== "NETWORK" || attempts < 2 || problem.hint !== undefined) return problem;
  return new Failure("NETWORK", problem.message, { hint: `Tried ${attempts} times.`, cause: problem.cause ?? problem });
}
