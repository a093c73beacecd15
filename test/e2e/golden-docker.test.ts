/** Every golden case, built by nought and by the docker at hand, compared live. Without a docker that answers: skipped. */
import { describe, test } from "node:test";
import { allCases } from "../golden/case.ts";
import { check } from "../golden/check.ts";
import { buildWithDocker, dockerCommand, dockerVersion, tooOld, unfit, usesContainerd } from "../golden/docker.ts";
import { buildWithNought, noughtCommand } from "../golden/nought.ts";

const docker = dockerCommand();
const version = docker && (await dockerVersion(docker));

const why = docker && version ? tooOld(version) : "no docker answers (PATH, or NOUGHT_DOCKER with the command)";

if (!docker || !version || why !== undefined) {
  test("golden builds against a live docker", { skip: why });
} else {
  const containerd = await usesContainerd(docker);
  const command = await noughtCommand();
  describe(`golden builds against docker ${version}`, { concurrency: 2 }, () => {
    for (const one of allCases()) {
      const not = unfit(one, containerd);
      test(`golden live: ${one.name}`, { skip: not === undefined ? false : `this docker cannot answer: ${not}` }, async () => {
        const [theirs, ours] = await Promise.all([buildWithDocker(one, docker, version), buildWithNought(one, command)]);
        check(one, theirs, ours);
      });
    }
  });
}
