/** `node leave.ts FOLDER`: starts a detached sandbox that runs for a while, says who it is, and is killed without warning. */
import { createTask } from "../../task/task.ts";
import { startDetached } from "../detached.ts";
import { Box } from "./box.ts";

const box = new Box();
const spec = box.spec({ args: ["sh", "-c", "echo up; sleep 0.7; echo still; exit 5"] });
const started = await startDetached(spec, { folder: process.argv[2] as string }, createTask());
console.log(JSON.stringify({ ...started, dir: box.dir }));
process.kill(process.pid, "SIGKILL");
