/**
 * `node entered.ts start FOLDER`: as an ordinary user, goes into a user namespace, starts a detached sandbox in it, and says who it is.
 * `… exec IDENTITY`: from outside, a process in it. `… join IDENTITY`: goes into its user namespace and starts a sandbox beside it.
 */
import type { ProcessIdentity } from "../../kit/liveness.ts";
import { createTask } from "../../task/task.ts";
import { DEFAULT_CAPABILITIES } from "../capability.ts";
import { startDetached } from "../detached.ts";
import { execInside } from "../exec.ts";
import { ownPrivileges } from "../privileges.ts";
import { enterUserNamespace } from "../userns.ts";
import { Box, runCollecting } from "./box.ts";

const [what, word = ""] = process.argv.slice(2);
if (what === "start") {
  enterUserNamespace();
  const box = new Box();
  const spec = box.spec({ args: ["sh", "-c", "exec sleep 60"], hostname: "first", network: "host" });
  console.log(JSON.stringify({ ...(await startDetached(spec, { folder: word }, createTask())), dir: box.dir }));
} else if (what === "exec") {
  let out = "";
  const spec = {
    args: ["sh", "-c", "hostname; cat /proc/1/cmdline | tr '\\0' ' '; id -u; chown 1:1 /etc; stat -c %u /etc; exit 6"],
    env: ["PATH=/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0, groups: [] },
    capabilities: DEFAULT_CAPABILITIES,
    seccomp: true,
    terminal: false,
    limits: {},
  };
  const target = JSON.parse(word) as ProcessIdentity;
  const { code } = await execInside(target, spec, { out: (_, chunk) => void (out += Buffer.from(chunk).toString()) }, createTask());
  console.log(JSON.stringify({ out, code, inside: ownPrivileges().mayMount }));
} else if (what === "join") {
  const { pid } = JSON.parse(word) as ProcessIdentity;
  enterUserNamespace(process.env, pid);
  using box = new Box();
  const at = (name: string) => `/proc/${pid}/ns/${name}`;
  const { out, err } = await runCollecting(
    box.spec({
      args: ["sh", "-c", "hostname; cat /proc/1/cmdline | tr '\\0' ' '; ls -d /target/bin/busybox; ls / | grep -c target"],
      join: { pid: at("pid"), ipc: at("ipc"), uts: at("uts") },
      network: "host",
      mounts: [{ type: "root", pid, target: "/target" }],
    }),
  );
  console.log(JSON.stringify({ out, err }));
}
