/**
 * `node interactive.ts LINE [killed]`: a line of shell in a sandbox with a terminal, on nought's own; with `killed`, it does not end well.
 */
import { spawnSync } from "node:child_process";
import { createTask } from "../../task/task.ts";
import { runSandbox } from "../run.ts";
import { Box } from "./box.ts";

using box = new Box();
const [line = "", how] = process.argv.slice(2);
const { code } = await runSandbox(
  box.spec({ args: ["sh", "-c", line], terminal: true }),
  {
    stdin: "inherit",
    direct: true,
    started: () => {
      if (how !== "killed") return;
      const { stdout } = spawnSync("stty", ["-a"], { stdio: ["inherit", "pipe", "inherit"], encoding: "utf8" });
      console.log(stdout.includes("-icanon") ? "is raw" : "is not raw");
      box[Symbol.dispose]();
      process.kill(process.pid, "SIGKILL");
    },
  },
  createTask(),
);
process.exitCode = code;
