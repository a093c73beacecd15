import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { findProgram } from "../../sandbox/engine.ts";

/** A socket that a step may talk to an SSH agent through. */
export interface OpenAgent extends AsyncDisposable {
  readonly socket: string;
}

interface Owner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Opens the agent that `--ssh ID[=SOCKET|KEY,…]` names, through a socket of its own in `folder`, so that it can belong to the user of the
 * step
 * and ends with it. Keys are held by an ssh-agent that lives as long. Undefined where none was given. Throws NOT_FOUND, SANDBOX.
 */
export async function openAgent(
  given: readonly string[],
  id: string,
  owner: Owner,
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<OpenAgent | undefined> {
  const text = given.find((one) => (one.split("=")[0] || "default") === id);
  if (text === undefined) return undefined;
  const paths = (text.split(/=(.*)/s)[1] ?? "").split(",").filter((one) => one !== "");
  await using stack = new AsyncDisposableStack();
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const behind = agentBehind(id, paths, env, folder, stack);
  const { connect, createServer } = await import("node:net");
  const socket = join(folder, `ssh-${id.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}`);
  const server = createServer((near) => {
    const far = connect(behind);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(socket, resolve));
  stack.defer(() => new Promise((resolve) => void server.close(() => resolve())));
  chmodSync(socket, owner.mode);
  chownSync(socket, owner.uid, owner.gid);
  const held = stack.move();
  return { socket, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** The socket of the agent itself: the one named, the user's own, or one that is started for the keys named. */
function agentBehind(id: string, paths: readonly string[], env: NodeJS.ProcessEnv, folder: string, stack: AsyncDisposableStack): string {
  const [first] = paths;
  const path = first ?? env["SSH_AUTH_SOCK"];
  if (path === undefined || path === "")
    throw new Failure("NOT_FOUND", `--ssh ${printable(id)}: no agent is running`, {
      hint: "Start ssh-agent, or name a key: --ssh ID=FILE.",
    });
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts?.isSocket()) return path;
  if (!facts?.isFile()) throw new Failure("NOT_FOUND", `--ssh ${printable(id)}: ${printable(path)} is neither a socket nor a key`);
  const [agent, add] = [findProgram("ssh-agent"), findProgram("ssh-add")];
  if (!agent || !add)
    throw new Failure("SANDBOX", "ssh-agent is not installed, so no key can be given", { hint: "Debian: openssh-client." });
  const socket = join(folder, "agent");
  const child = spawn(agent, ["-D", "-a", socket], { stdio: "ignore" });
  stack.defer(() => void child.kill());
  try {
    waitFor(socket);
    execFileSync(add, ["-q", ...paths], {
      env: { ...env, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: "never" },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 10_000,
    });
  } catch {
    throw new Failure("NOT_FOUND", `--ssh ${printable(id)}: the key could not be read`, {
      hint: "Keys with a passphrase are to be given to an agent of yours first.",
    });
  }
  return socket;
}

function waitFor(socket: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < 200 && !statSync(socket, { throwIfNoEntry: false }); waited++) Atomics.wait(pause, 0, 0, 10);
}
