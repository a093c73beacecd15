/** The verdict on one case: what nought built against what docker built. */
import assert from "node:assert/strict";
import { type Case, type Expected, isFailure } from "./case.ts";
import { compare, type Difference, describeDifferences } from "./compare.ts";
import { sift } from "./known.ts";

/** All differences, a build that fails on one side only included. */
export function differences(one: Case, docker: Expected, nought: Expected): readonly Difference[] {
  if (!isFailure(docker) && !isFailure(nought)) return compare(docker, nought);
  if (!isFailure(docker) && isFailure(nought)) return [{ field: "error", docker: undefined, nought: nought.error }];
  if (isFailure(docker) && !isFailure(nought)) return [{ field: "error", docker: docker.error, nought: undefined }];
  const words = one.args.says ?? one.args.fails ?? [];
  const said = isFailure(nought) ? nought.error : "";
  const missing = words.filter((word) => !said.includes(word));
  return missing.map((word) => ({ field: `error without "${word}"`, docker: isFailure(docker) ? docker.error : "", nought: said }));
}

/** Throws an assertion error that lists every difference that is not in the table of known ones, and rows of the table that are out of date. */
export function check(one: Case, docker: Expected, nought: Expected): void {
  const { rest, unused } = sift(one.name, differences(one, docker, nought));
  assert.equal(describeDifferences(rest), "", `${one.name} differs from docker ${docker.docker}`);
  assert.deepEqual(unused, [], `${one.name}: rows of test/golden/known.ts that nothing matches any more`);
}
