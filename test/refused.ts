import assert from "node:assert/strict";
import { Failure } from "../src/kit/error.ts";

/** For assert.rejects: a refusal as users see it, by its code, its words and its hint; nothing unfinished shines through. */
export function refused(code: string, words: RegExp, hint?: RegExp): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof Failure)) throw error;
    assert.equal(error.code, code, error.stack);
    assert.match(error.message, words);
    if (hint) assert.match(error.hint ?? "", hint);
    assert.doesNotMatch(`${error.message} ${error.hint ?? ""}`, /undefined|\[object|internal:/);
    return true;
  };
}
