/** `node inside.ts best|single FILE…`: runs test files in a user namespace of this user, with the reporter that the parent reads. */
import { spawnSync } from "node:child_process";
import { ownPrivileges } from "../privileges.ts";
import { ownNamespace, spawnInside } from "../userns.ts";

const [kind, ...files] = process.argv.slice(2);
const tests = [process.execPath, "--test", "--test-isolation=none", "--test-reporter=tap", "--test-force-exit", ...files] as const;
if (ownPrivileges().mayMount) process.exit(spawnSync(tests[0], tests.slice(1), { stdio: "inherit" }).status ?? 1);
const { child, trouble } = spawnInside(ownNamespace(kind === "single" ? "single" : "best"), [...tests], { stdio: "inherit" });
const why = await trouble;
if (why) console.log(`# cannot enter: ${why}`);
child.once("exit", (code) => process.exit(code ?? 1));
