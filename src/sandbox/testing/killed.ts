/** Starts a sandbox that would not end by itself, says so, and waits to be killed. Its processes have the first word in their arguments. */
import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { createTask } from "../../task/task.ts";
import { ownPrivileges } from "../privileges.ts";
import { runSandbox } from "../run.ts";
import { Box } from "./box.ts";

const box = new Box();
const marker = process.argv[2] ?? "77777";
// A set-uid program clears the wish to die with its parent.
copyFileSync(join(box.base, "bin/busybox"), join(box.base, "bin/busybox-set-uid"));
chmodSync(join(box.base, "bin/busybox-set-uid"), 0o4755);
const line = `setsid sleep ${marker} & (setsid sh -c 'sleep ${marker} & sleep ${marker}' &); exec sleep ${marker}`;
const user = ownPrivileges().single ? { uid: 0, gid: 0, groups: [] } : { uid: 1000, gid: 1000, groups: [] };
const limits = process.argv[4] === "limited" ? { pids: 100 } : {};
const spec = box.spec({
  limits,
  args: process.argv[3] === "setuid" ? ["/bin/busybox-set-uid", "sleep", marker] : ["sh", "-c", line],
  user,
});
await runSandbox(spec, { started: () => setTimeout(() => console.log(box.dir), 100) }, createTask());
