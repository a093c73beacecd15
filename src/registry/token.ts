import type { IncomingMessage } from "node:http";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { redactUrl } from "../net/redact.ts";
import type { Task } from "../task/task.ts";
import { readBody, refusalOf } from "./answer.ts";
import { basic } from "./authorizer.ts";
import type { Credential } from "./face.ts";
import { createPatience } from "./pause.ts";

/** Sends one request to a token server. */
export type SendToken = (
  request: { readonly method: "GET" | "POST"; readonly url: URL; readonly headers: Record<string, string>; readonly body?: Uint8Array },
  task: Task,
) => Promise<IncomingMessage>;

export interface TokenQuestion {
  readonly realm: URL;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly who: Credential | undefined;
  /** Asks for an identity token as well. Docker's "OfflineAccess". */
  readonly offline?: boolean;
}

/** A token for the registry, and what the server gave to ask for the next ones with. */
export interface Tokens {
  readonly value: string;
  /** Milliseconds since the epoch after which it is not used any more. */
  readonly until: number;
  readonly identity?: string;
}

/** What we call ourselves. */
const CLIENT = "nought";
/** Seconds a token is good for where the server does not say; docker's own least. */
const LEAST = 60;
/** Milliseconds before its end at which a token is not used any more. */
const MARGIN = 10_000;

/**
 * Asks a token server: with GET and, where there is a password, basic authentication; with POST and an identity token, as OAuth 2 has
 * it. Distribution's "Token Authentication" documents. Redirects are not followed. Throws AUTH, NETWORK, LIMIT.
 */
export async function fetchToken(question: TokenQuestion, send: SendToken, task: Task): Promise<Tokens> {
  const { realm, service, scopes, who, offline = false } = question;
  const shown = redactUrl(`${realm.origin}${realm.pathname}`);
  const what = `token server ${shown}`;
  const patience = createPatience(500, task);
  const request = who?.kind === "identity" ? byRefresh(realm, service, scopes, who.token) : byQuery(realm, service, scopes, who, offline);
  for (;;) {
    const asked = Date.now();
    try {
      const answer = await send(request, task);
      if (answer.statusCode !== 200) throw await refusalOf(answer, what);
      return read(await readBody(answer, LIMITS.tokenBytes, what), asked, what);
    } catch (problem) {
      if (await patience.again(problem)) continue;
      if (problem instanceof Failure && (problem.code === "LIMIT" || problem.code === "NOT_FOUND"))
        throw new Failure("AUTH", problem.message, { cause: problem });
      throw problem;
    }
  }
}

function byQuery(realm: URL, service: string, scopes: readonly string[], who: Credential | undefined, offline: boolean) {
  const url = new URL(realm);
  if (service !== "") url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (who?.kind === "password") url.searchParams.set("account", who.username);
  if (offline && who) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT);
  }
  const headers: Record<string, string> = { accept: "application/json" };
  if (who?.kind === "password") headers["authorization"] = basic(who);
  return { method: "GET", url, headers } as const;
}

function byRefresh(realm: URL, service: string, scopes: readonly string[], token: string) {
  const form = new URLSearchParams({ grant_type: "refresh_token", service, client_id: CLIENT, refresh_token: token });
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: Buffer.from(form.toString()) } as const;
}

function read(body: Buffer, asked: number, what: string): Tokens {
  const wrong = (why: string) => new Failure("AUTH", `${what}: its answer ${why}`);
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown; refresh_token?: unknown } | null;
  try {
    answer = JSON.parse(body.toString("utf8")) as typeof answer;
  } catch {
    throw wrong("is not JSON");
  }
  const value = answer?.token || answer?.access_token;
  // What goes into a header must not hold a line end.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) throw wrong("holds no token");
  const life = answer?.expires_in ?? LEAST;
  if (typeof life !== "number" || !(life >= 0)) throw wrong("says that the token ends before it begins");
  // A token for less than the margin is used once, for the request at hand.
  const until = asked + Math.max(Math.min(life, 86_400) * 1000 - MARGIN, 0);
  const identity = answer?.refresh_token;
  return { value, until, ...(typeof identity === "string" && identity !== "" ? { identity } : {}) };
}
