import { isObject, parseJson } from "../image/json.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";

/** A scope of the cache service: a branch, mostly. */
export interface GhaScope {
  readonly scope: string;
  readonly writable: boolean;
}

const WRITE = 2;
/** Scopes that are read, at most; a token has two or three. */
const SCOPES = 16;

/**
 * What a runner's token lets its bearer read and write: the claim `ac`, JSON in JSON. The token is not verified, that is the service's
 * business. Throws AUTH for what is no such token.
 */
export function scopesOf(token: string): readonly GhaScope[] {
  const bad = (why: string) =>
    new Failure("AUTH", `the token of the GitHub Actions cache ${why}`, { hint: "It is ACTIONS_RUNTIME_TOKEN of a running job." });
  if (token.length > LIMITS.tokenBytes) throw bad("is too long");
  try {
    const payload = Buffer.from(token.split(".")[1] ?? "", "base64url");
    const claims = parseJson(payload, "token");
    const access = isObject(claims) ? claims.ac : undefined;
    const list = typeof access === "string" ? parseJson(Buffer.from(access), "token") : undefined;
    if (!Array.isArray(list)) throw bad("names no scopes");
    return list.slice(0, SCOPES).flatMap((one) => {
      if (!isObject(one) || typeof one.Scope !== "string" || typeof one.Permission !== "number") return [];
      return [{ scope: one.Scope, writable: (one.Permission & WRITE) !== 0 }];
    });
  } catch (error) {
    if (error instanceof Failure && error.code === "AUTH") throw error;
    // What the parser says would quote the token.
    throw bad("cannot be read");
  }
}
