import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { allCapabilities, DEFAULT_CAPABILITIES } from "../../sandbox/capability.ts";
import { environmentOf } from "../../sandbox/environment.ts";
import type { SandboxMount, SandboxSpec } from "../../sandbox/spec.ts";
import { resolveUser } from "../../sandbox/user.ts";
import { toPath } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";
import type { Workshop } from "../workshop.ts";
import { accountsOf } from "./accounts.ts";
import { cacheMount } from "./cache-mount.ts";
import { bindMount, idOf, targetOf } from "./mounts.ts";
import { readSecret } from "./secrets.ts";
import type { RunOp } from "./solve-run.ts";
import type { Sources } from "./sources.ts";
import { openAgent } from "./ssh.ts";
import { HOSTNAME } from "./tools.ts";

/** A sandbox for one step, without its root; what was opened for it is closed by disposing. */
export interface ReadyStep extends AsyncDisposable {
  readonly spec: Omit<SandboxSpec, "upper" | "work">;
}

/** Puts together what a RUN step is executed in. `folder` is a path for what its mounts need. Throws NOT_FOUND, PLAN, SANDBOX. */
export async function specOf(op: RunOp, tree: Tree, sources: Sources, folder: string, shop: Workshop): Promise<ReadyStep> {
  const run = await shop.run();
  const stack = new AsyncDisposableStack();
  try {
    const { network, resolv } = await run.network(op.network);
    const text = (target: string, bytes: Uint8Array, mode: number): SandboxMount => ({
      type: "bytes",
      target,
      bytes,
      mode,
      uid: 0,
      gid: 0,
      readonly: true,
      nosuid: true,
      nodev: true,
    });
    const mounts: SandboxMount[] = [text("/etc/resolv.conf", resolv, 0o644), text("/etc/hosts", run.hosts, 0o644)];
    const env = [...op.env];
    let agents = 0;
    for (const [at, mount] of op.mounts.entries()) {
      const own = join(folder, String(at));
      const target = targetOf(mount, op.cwd);
      switch (mount.type) {
        case "bind": {
          const source = sources.of[at];
          if (source === undefined) throw new Error("internal: a bind mount was planned without its source");
          mkdirSync(own, { recursive: true, mode: 0o711 });
          mounts.push(await bindMount(mount, target, source, own, shop));
          break;
        }
        case "cache":
          mounts.push(await cacheMount(mount, target, sources.of[at], stack, shop));
          break;
        case "tmpfs":
          mounts.push({ type: "tmpfs", target, mode: 0o1777, nosuid: true, nodev: true, ...(mount.size ? { size: mount.size } : {}) });
          break;
        case "secret": {
          const id = idOf(mount);
          const bytes = readSecret(run.secrets, id, run.hostEnv);
          if (bytes === undefined) {
            if (mount.required)
              throw new Failure("NOT_FOUND", `secret ${printable(id)}: not found`, {
                hint: `Give it with --secret id=${printable(id)},src=FILE.`,
              });
            break;
          }
          if (mount.env !== undefined) env.push(`${mount.env}=${Buffer.from(bytes).toString("utf8")}`);
          if (mount.target === undefined && mount.env !== undefined) break;
          const at = mount.target === undefined ? toPath(`/run/secrets/${id}`) : target;
          mounts.push({
            type: "bytes",
            target: at,
            bytes,
            mode: mount.mode ?? 0o400,
            uid: mount.uid ?? 0,
            gid: mount.gid ?? 0,
            readonly: true,
            nosuid: true,
            nodev: true,
          });
          break;
        }
        case "ssh": {
          const id = idOf(mount);
          const agent = await openAgent(
            run.ssh,
            id,
            { mode: mount.mode ?? 0o600, uid: mount.uid ?? 0, gid: mount.gid ?? 0 },
            run.hostEnv,
            folder,
          );
          if (agent === undefined) {
            if (mount.required)
              throw new Failure("NOT_FOUND", `no SSH agent or key was given for "${printable(id)}"`, {
                hint: "Give it with --ssh default, or --ssh ID=SOCKET|KEY.",
              });
            break;
          }
          stack.use(agent);
          const at = mount.target === undefined ? `/run/buildkit/ssh_agent.${agents}` : target;
          if (agents++ === 0) env.push(`SSH_AUTH_SOCK=${at}`);
          mounts.push({ type: "bind", kind: "file", source: agent.socket, target: at, nosuid: true, nodev: true });
        }
      }
    }
    for (const { path, text: script } of op.files) mounts.push(text(path, Buffer.from(script), 0o755));
    const user = resolveUser(op.user, await accountsOf(tree, shop.shelf));
    if (shop.epoch !== undefined) env.unshift(`SOURCE_DATE_EPOCH=${shop.epoch}`);
    const insecure = op.security === "insecure";
    const spec: ReadyStep["spec"] = {
      lowers: [],
      args: op.args,
      env: environmentOf({ env: [...run.proxies, ...env], home: user.home }),
      cwd: op.cwd,
      user,
      mounts,
      network,
      hostname: HOSTNAME,
      readonlyRoot: false,
      terminal: false,
      capabilities: insecure ? allCapabilities() : DEFAULT_CAPABILITIES,
      seccomp: !insecure,
      init: false,
      limits: run.limits,
      ...(run.shm === undefined ? {} : { shm: run.shm }),
      ...(insecure ? { unmasked: true } : {}),
    };
    return { spec, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
