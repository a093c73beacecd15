import { spawn } from "node:child_process";
import { once } from "node:events";
import { release } from "node:os";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../../kit/error.ts";
import { engineCommand } from "../../sandbox/engine.ts";
import { errnoName } from "../../sandbox/errno.ts";
import { CLONE, MS, PR, SIGKILL } from "../../sandbox/flags.ts";
import { installHelper } from "../../sandbox/helper.ts";
import { Inside } from "../../sandbox/inside.ts";
import { makeTarget, rootMount, specMounts } from "../../sandbox/mounts.ts";
import { ownPrivileges } from "../../sandbox/privileges.ts";
import type { SandboxSpec } from "../../sandbox/spec.ts";
import { type Address, explain } from "../../sandbox/table.ts";
import { setupTrouble } from "../../sandbox/trouble.ts";

/** A root that is mounted for nobody but whoever looks through this process. */
export interface HeldRoot extends AsyncDisposable {
  /** Leads to it from here: `/proc/PID/root`. */
  readonly path: string;
}

type Layers = Pick<SandboxSpec, "lowers" | "upper" | "work"> & Partial<Pick<SandboxSpec, "mounts">>;

/**
 * Mounts layers, and what is mounted into them, in a mount namespace of a process that does nothing else, and ends with us. Without `upper`
 * the
 * root is read-only. Throws SANDBOX where that is not possible.
 */
export async function holdRoot(layers: Layers): Promise<HeldRoot> {
  const { architecture, stage } = installHelper();
  const spec: SandboxSpec = { ...EMPTY, ...layers };
  const inside = new Inside({
    spec,
    privileges: ownPrivileges(),
    architecture,
    kernel: release(),
    stage,
    bindProc: false,
    kindOf: () => undefined,
  });
  const { table } = inside;
  const byte: Address = table.space(8);
  table.call("prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  table.call("unshare", [CLONE.NEWNS]);
  table.call("mount", [0, table.text("/"), 0, MS.REC | MS.SLAVE, 0], { label: "make mounts slaves" });
  const tmpfs = [table.text("tmpfs"), table.text(stage), table.text("tmpfs"), MS.NOSUID | MS.NODEV, table.text("mode=711")];
  table.call("mount", tmpfs, { label: `mount a tmpfs on ${stage}` });
  const root = rootMount(inside);
  const mounts = specMounts(inside);
  const place = inside.attachStaged(root, "/");
  table.call("chdir", [table.text(place)]);
  table.call("chroot", [table.text(".")]);
  for (const { asked, mount } of mounts) {
    makeTarget(
      inside,
      asked,
      spec.mounts.map((one) => one.target),
    );
    inside.moveMount(mount, asked.target, asked.target);
  }
  table.call("write", [1, byte, 1]);
  table.call("read", [0, byte, 1], { ignore: true });
  table.leave(0);
  const finished = table.finish();

  const engine = engineCommand();
  const child = spawn(engine.command, engine.args, { stdio: ["pipe", "pipe", "inherit", "pipe", "pipe"], env: {}, cwd: "/" });
  const [input, output, , feed, reports] = child.stdio as unknown as [Writable, Readable, null, Writable, Readable];
  for (const stream of [input, feed]) stream.on("error", () => {});
  const pieces: Buffer[] = [];
  reports.on("data", (piece: Buffer) => pieces.push(piece));
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`${signal ?? code}`));
  });
  feed.end(finished.bytes);
  const ready = await Promise.race([once(output, "data").then(() => true), ended]);
  if (ready !== true) {
    const report = Buffer.concat(pieces);
    if (report.length < 8) throw new Failure("SANDBOX", `the sandbox helper ended: ${ready}`);
    const [operation, errno] = [report.readInt32LE(0), report.readInt32LE(4)];
    throw setupTrouble(explain(finished, operation, errno), errnoName(errno));
  }
  return {
    path: `/proc/${child.pid}/root`,
    async [Symbol.asyncDispose]() {
      input.end();
      await ended;
    },
  };
}

const EMPTY: SandboxSpec = {
  lowers: [],
  args: ["none"],
  env: [],
  cwd: "/",
  user: { uid: 0, gid: 0, groups: [] },
  mounts: [],
  network: "none",
  hostname: "none",
  readonlyRoot: false,
  terminal: false,
  capabilities: [],
  seccomp: false,
  init: false,
  limits: {},
};
