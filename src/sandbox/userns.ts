import { type ChildProcess, spawn } from "node:child_process";
import { readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { engineCommand, findProgram } from "./engine.ts";
import { errnoName } from "./errno.ts";
import { AT_FDCWD, O } from "./flags.ts";
import { installHelper } from "./helper.ts";
import { newTable, performTable, TableError } from "./perform.ts";
import { ownPrivileges } from "./privileges.ts";
import { ownSubIds } from "./subid.ts";
import { becomeProgram, enterNamespace, joinNamespace, type UserNamespace } from "./userns-table.ts";

/** The variable that says that this process was started inside; `…_OPERATION` and `…_ERRNO` say that it could not be. */
const MARK = "NOUGHT_USERNS";

/** What this user's namespace is made with: his ranges of ids where newuidmap can map them, else one id. */
export function ownNamespace(kind: "best" | "single" = "best"): UserNamespace {
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const newuidmap = findProgram("newuidmap");
  const newgidmap = findProgram("newgidmap");
  const uids = ownSubIds("/etc/subuid");
  const gids = ownSubIds("/etc/subgid");
  if (kind === "single" || !newuidmap || !newgidmap || uids.length === 0 || gids.length === 0) return own;
  return { ...own, ranges: { newuidmap, newgidmap, uids, gids } };
}

/**
 * Makes sure that this process may mount: returns at once where it may, and otherwise goes into a user namespace and starts anew there,
 * as the same process with the same arguments, environment and working directory. So it is called before anything is done. What files
 * are made from then on belong to ids of the user's range, and only from inside they can be read and removed.
 * With `of`, it is the namespace of that process: of a container that an earlier call started, whose other namespaces belong to it. Root
 * needs none. Throws SANDBOX where this machine does not allow it.
 */
export function enterUserNamespace(env: NodeJS.ProcessEnv = process.env, of?: number): void {
  const { [MARK]: mark, [`${MARK}_OPERATION`]: operation, [`${MARK}_ERRNO`]: errno } = env;
  for (const name of [MARK, `${MARK}_OPERATION`, `${MARK}_ERRNO`]) delete env[name];
  if (mark !== undefined && operation !== undefined) {
    const label = mark.split("|")[Number(operation)] ?? `operation ${operation}`;
    throw cannotEnter(`${label}: ${errnoName(Number(errno))}`);
  }
  if (ownPrivileges().mayMount && (of === undefined || ownPrivileges().initial || sameUsers(of))) return;
  if (mark !== undefined) throw cannotEnter("no rights in the new one");
  const helper = installHelper();
  const engine = engineCommand();
  const path = join(helper.stage, "..", `enter-${uniqueToken()}`);
  const table = newTable();
  table.call("unlinkat", [AT_FDCWD, table.text(path), 0], { ignore: true });
  if (of === undefined) enterNamespace(table, ownNamespace(), helper.stage);
  else joinNamespace(table, of, helper.stage);
  const labels = Array.from({ length: table.length }, (_, at) => table.labelOf(at).replaceAll("|", "/")).join("|");
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)] as [string, ...string[]];
  becomeProgram(table, args, [...environment(env), `${MARK}=${labels}`], MARK);
  writeFileSync(path, table.finish().bytes, { mode: 0o600, flag: "wx" });
  if (!process.execve) throw new Failure("SANDBOX", "this Node.js cannot replace its process; nought needs Node 24 or newer");
  process.execve(engine.command, [engine.command, ...engine.args, path], {});
}

/** Whether that process is in the same user namespace as this one. */
function sameUsers(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync("/proc/self/ns/user");
  } catch {
    return false;
  }
}

function cannotEnter(what: string): Failure {
  return new Failure("SANDBOX", `no user namespace can be used here: ${what}`, { hint: "`nought doctor` says why, and what would help." });
}

function environment(env: NodeJS.ProcessEnv): readonly string[] {
  return Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

/** A program in a user namespace of its own. */
export interface Inhabitant {
  readonly child: ChildProcess;
  /** Why it could not be started: `unshare (user): EPERM`. Undefined once it runs. */
  readonly trouble: Promise<string | undefined>;
}

/** Starts a program inside a user namespace, as a child that has descriptors 0, 1 and 2 as asked for. */
export function spawnInside(
  namespace: UserNamespace,
  args: readonly [string, ...string[]],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly stdio?: "pipe" | "inherit" | "ignore" } = {},
): Inhabitant {
  const builder = newTable();
  builder.call("close_range", [3, 0xffffffff, 4]);
  enterNamespace(builder, namespace, installHelper().stage);
  becomeProgram(builder, args, environment(options.env ?? process.env));
  const table = builder.finish();
  const engine = engineCommand();
  const stdio = options.stdio ?? "pipe";
  const child = spawn(engine.command, engine.args, {
    env: {},
    stdio: [stdio, stdio, stdio, "pipe", "pipe"],
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  const [, , , stream, reports] = child.stdio as unknown as [null, null, null, Writable, Readable];
  stream.on("error", () => {});
  stream.end(table.bytes);
  const trouble = new Promise<string | undefined>((resolve) => {
    const pieces: Buffer[] = [];
    reports.on("data", (piece: Buffer) => pieces.push(piece));
    reports.once("close", () => {
      const report = Buffer.concat(pieces);
      resolve(report.length < 8 ? undefined : `${table.label(report.readInt32LE(0))}: ${errnoName(report.readInt32LE(4))}`);
    });
  });
  return { child, trouble };
}

/**
 * Whether a user namespace can be entered here, and whether it has a single id then; else the call that failed: `unshare (user): EPERM`.
 */
export function tryNamespace(namespace: UserNamespace): { readonly single: boolean } | { readonly why: string } {
  const table = newTable();
  const fd = table.register();
  const length = table.register();
  const text = table.space(4096);
  enterNamespace(table, namespace, installHelper().stage);
  table.call("openat", [AT_FDCWD, table.text("/proc/self/uid_map"), O.RDONLY, 0], { into: fd });
  table.call("read", [fd, text, 4096], { into: length });
  table.call("write", [1, text, length]);
  try {
    const counts = performTable(table.finish()).toString("latin1").trim().split("\n");
    return { single: counts.length === 1 && Number(counts[0]?.trim().split(/\s+/)[2]) === 1 };
  } catch (error) {
    if (error instanceof TableError) return { why: error.message };
    throw error;
  }
}
