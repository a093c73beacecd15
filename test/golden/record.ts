/**
 * Records expected.json of golden cases from a real docker: `node test/golden/record.ts [CASE…]`.
 * NOUGHT_DOCKER names the command if it is not `docker` on PATH. Without names, only cases that have no expected.json; `--all` for every one.
 */
import { allCases, expectedOf, isFailure, writeExpected } from "./case.ts";
import { buildWithDocker, dockerCommand, dockerVersion, unfit, usesContainerd } from "./docker.ts";

const command = dockerCommand();
const version = command && (await dockerVersion(command));
if (!command || !version) {
  console.error("record: no docker answers; put it on PATH or name the command in NOUGHT_DOCKER");
  process.exit(1);
}
const containerd = await usesContainerd(command);
const words = process.argv.slice(2);
let wrong = 0;
for (const one of allCases()) {
  if (words.length === 0 ? expectedOf(one) !== undefined : !words.includes("--all") && !words.includes(one.name)) continue;
  const why = unfit(one, containerd);
  if (why !== undefined) {
    console.log(`${one.name}: left out: this docker cannot answer: ${why}`);
    continue;
  }
  try {
    const got = await buildWithDocker(one, command, version);
    const failed = isFailure(got) ? got.error : undefined;
    const fails = one.args.fails;
    if (failed !== undefined && !fails) throw new Error(`docker fails: ${failed}`);
    if (failed === undefined && fails) throw new Error("docker builds what should fail");
    const missing = fails?.filter((word) => !failed?.includes(word)) ?? [];
    if (missing.length > 0) throw new Error(`docker does not say ${JSON.stringify(missing)}: ${failed}`);
    writeExpected(one, got);
    console.log(`${one.name}${failed === undefined ? "" : `: ${failed}`}`);
  } catch (error) {
    wrong++;
    console.error(`WRONG ${one.name}: ${(error as Error).message}`);
  }
}
process.exit(wrong > 0 ? 1 : 0);
