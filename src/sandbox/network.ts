import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import { engineCommand } from "./engine.ts";
import { FrameReader } from "./frames.ts";
import { installHelper } from "./helper.ts";
import type { NetworkProgram, PublishedPort } from "./network-program.ts";
import { networkTable, READY } from "./network-table.ts";
import { ownPrivileges } from "./privileges.ts";
import { explain } from "./table.ts";

export { type NetworkProgram, networkProgram, type PublishedPort } from "./network-program.ts";

/** A network of a sandbox's own with a way to the outside, kept by processes of ours. */
export interface OpenNetwork extends AsyncDisposable {
  /** For SandboxSpec.network. */
  readonly join: string;
  readonly program: NetworkProgram["name"];
}

/**
 * Opens a network that reaches the outside but not the host's own services, for any number of sandboxes, one after the other or at once.
 * It ends when it is disposed of, when the task is stopped, and with this process. Throws SANDBOX where the program does not come up
 * (`reason` in its message), most often because /dev/net/tun may not be opened.
 */
export async function openNetwork(program: NetworkProgram, task: Task, ports: readonly PublishedPort[] = []): Promise<OpenNetwork> {
  task.signal.throwIfAborted();
  if (program.name === "slirp4netns" && ports.length > 0)
    throw new Failure("SANDBOX", "slirp4netns cannot publish ports for us", { hint: "Install pasta (Debian: passt)." });
  const { architecture, stage } = installHelper();
  const engine = engineCommand();
  const table = networkTable({ architecture, stage, parentPid: process.pid, program, ports, root: ownPrivileges().initial });
  const child = spawn(engine.command, engine.args, { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe"], env: {}, cwd: "/" });
  const closed = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const end = () => void child.kill("SIGKILL");
  task.signal.addEventListener("abort", end, { once: true });
  const [, , said, stream, reports, frames] = child.stdio as unknown as [null, null, Readable, Writable, Readable, Readable];
  stream.on("error", () => {});
  stream.end(table.bytes);
  let text = "";
  said.on("data", (piece: Buffer) => {
    text = (text + piece.toString()).slice(-2000);
  });
  let report = Buffer.alloc(0);
  reports.on("data", (piece: Buffer) => {
    report = Buffer.concat([report, piece]);
  });
  const pid = await new Promise<number | undefined>((resolve) => {
    let holder = 0;
    const reader = new FrameReader();
    frames.on("data", (piece: Buffer) => {
      for (const { stream: kind, bytes } of reader.push(piece)) {
        if (kind === 3) holder = Number.parseInt(bytes.toString("latin1"), 10);
        else if (kind === READY) resolve(holder);
      }
    });
    child.once("close", () => resolve(undefined));
    child.once("error", () => resolve(undefined));
  });
  if (pid === undefined) {
    task.signal.removeEventListener("abort", end);
    task.signal.throwIfAborted();
    const reason = report.length >= 8 ? `${explain(table, report.readInt32LE(0), report.readInt32LE(4))}` : lastLine(text);
    throw new Failure("SANDBOX", `${program.name} did not come up: ${printable(reason)}`, {
      hint: "It needs /dev/net/tun. With --network=host none is needed.",
    });
  }
  for (const one of [said, reports, frames]) one.resume();
  child.unref();
  for (const one of [said, reports, frames, stream]) (one as unknown as { unref?: () => void }).unref?.();
  return {
    join: `/proc/${pid}/ns/net`,
    program: program.name,
    async [Symbol.asyncDispose]() {
      task.signal.removeEventListener("abort", end);
      child.ref();
      end();
      await closed;
    },
  };
}

/** The last thing the program said that is no noise. */
function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !/syslog/.test(line));
  return lines.at(-1) ?? "it ended without a word";
}
