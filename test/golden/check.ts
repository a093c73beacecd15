/** The verdict on one case: what nought built against what docker built. */
import assert from "node:assert/strict";
import { type Case, type Expected, isFailure } from "./case.ts";
import { compare, type Difference, describeDifferences } from "./compare.ts";
import type { Picture } from "./image.ts";
import { sift } from "./known.ts";

/** All differences, a build that fails on one side only included. */
export function differences(one: Case, docker: Expected, nought: Expected): readonly Difference[] {
  if (!isFailure(docker) && !isFailure(nought)) return compare(one.args.busybox ? withoutMountPoints(docker) : docker, nought);
  if (!isFailure(docker) && isFailure(nought)) return [{ field: "error", docker: undefined, nought: nought.error }];
  if (isFailure(docker) && !isFailure(nought)) return [{ field: "error", docker: docker.error, nought: undefined }];
  const words = one.args.says ?? one.args.fails ?? [];
  const said = isFailure(nought) ? nought.error : "";
  const missing = words.filter((word) => !said.includes(word));
  return missing.map((word) => ({ field: `error without "${word}"`, docker: isFailure(docker) ? docker.error : "", nought: said }));
}

/** Where BuildKit mounts something in a step, it leaves empty directories in an image that had none. nought leaves nothing. */
function withoutMountPoints(docker: Expected & Picture): Expected & Picture {
  const left = new Set(["/dev", "/proc", "/sys"]);
  return {
    ...docker,
    tree: Object.fromEntries(Object.entries(docker.tree).filter(([path]) => !left.has(path))),
    layers: docker.layers.map((paths) => paths.filter((path) => !left.has(path.slice(0, -1)))),
  };
}

/** Throws an assertion error that lists every difference that is not in the table of known ones, and rows of the table that are out of date. */
export function check(one: Case, docker: Expected, nought: Expected): void {
  const { rest, unused } = sift(one.name, differences(one, docker, nought));
  assert.equal(describeDifferences(rest), "", `${one.name} differs from docker ${docker.docker}`);
  assert.deepEqual(unused, [], `${one.name}: rows of test/golden/known.ts that nothing matches any more`);
}
