/**
 * `node storm.ts WORD FOLDER`: sandboxes of all kinds one after the other, until killed. Their processes have the word in their arguments.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createTask } from "../../task/task.ts";
import { DEFAULT_CAPABILITIES } from "../capability.ts";
import { startDetached } from "../detached.ts";
import { execInside } from "../exec.ts";
import { runSandbox } from "../run.ts";
import { Box } from "./box.ts";

const [word = "77777", folder = ""] = process.argv.slice(2);
const box = new Box();
const task = createTask();
console.log("begun");
for (let round = 0; ; round++) {
  const args = ["sh", "-c", `sleep 0.0${round % 10} ; sleep ${word} & exec sleep 0.02`, word];
  await runSandbox(box.spec({ args, terminal: round % 3 === 0 }), {}, task);
  if (round % 2 === 0) continue;
  const state = join(folder, `${process.pid}-${round}`);
  mkdirSync(state);
  const { init } = await startDetached(box.spec({ args: ["sh", "-c", "sleep 1", word] }), { folder: state }, task);
  const spec = { args: ["sleep", "0.01"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0, groups: [] } };
  await execInside(init, { ...spec, capabilities: DEFAULT_CAPABILITIES, seccomp: true, terminal: false, limits: {} }, {}, task);
}
