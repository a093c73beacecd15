import { readPredicateType } from "../attest/statement.ts";
import { isObject, parseJson } from "../image/json.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";

/** What a statement will say. */
export interface Predicate {
  readonly type: string;
  readonly value: unknown;
}

/**
 * Reads a file as the predicate of a type, as cosign does: a JSON object stays one; for `custom` any text becomes a string with the time
 * beside it. SPDX in its form that is no JSON becomes a string, which cosign reads in no statement of version 1: that in JSON it does.
 * `where` names the file. Throws USAGE, MANIFEST, LIMIT.
 */
export function readPredicate(bytes: Uint8Array, type: string, where: string, now: Date): Predicate {
  if (bytes.length > LIMITS.statementBytes)
    throw new Failure("LIMIT", `${where}: ${bytes.length} bytes; ${LIMITS.statementBytes} are accepted (limit statementBytes)`);
  const uri = readPredicateType(type);
  const text = () => Buffer.from(bytes).toString("utf8");
  if (uri === readPredicateType("custom")) return { type: uri, value: { Data: text(), Timestamp: `${now.toISOString().slice(0, 19)}Z` } };
  if (type === "spdx" && !/^\s*\{/.test(text())) return { type: uri, value: text() };
  const value = parseJson(bytes, where);
  if (!isObject(value)) throw new Failure("MANIFEST", `${where}: what is said in a statement is a JSON object`);
  return { type: uri, value };
}
