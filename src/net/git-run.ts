import { spawn } from "node:child_process";
import { Failure } from "../kit/error.ts";
import { printableLine } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import type { GitSource } from "./git-url.ts";
import { withoutUserinfo } from "./redact.ts";

/** Most of what git may answer on standard output, and what is kept of its complaints; bytes. */
const OUTPUT = 16 << 20;
const COMPLAINT = 8 << 10;
const KEPT = ["PATH", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "TMPDIR"] as const;
const PROXIES = /^(?:https?_proxy|all_proxy|no_proxy)$/i;

/** What every call of git for one source needs. */
export interface GitAccess {
  /** The remote without user name and password (ssh keeps its user). */
  readonly remote: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The surroundings git runs in: nothing of the user's or the machine's git configuration, no prompt, no hooks, no other protocols
 * than those we know, credentials in the environment and so neither in argument lists nor in .git/config.
 */
export function gitAccess(source: GitSource, authorization: string | undefined, env: NodeJS.ProcessEnv): GitAccess {
  const settings: [string, string][] = [
    ["core.hooksPath", "/dev/null"],
    ["core.fsmonitor", "false"],
    ["core.autocrlf", "false"],
    ["credential.helper", ""],
    ["gc.auto", "0"],
    ["maintenance.auto", "false"],
    ["init.defaultBranch", "master"],
    ["advice.detachedHead", "false"],
    ["http.lowSpeedLimit", "1"],
    ["http.lowSpeedTime", "30"],
  ];
  let { remote } = source;
  if (source.scheme === "http" || source.scheme === "https") {
    const url = new URL(remote);
    const basic =
      url.username || url.password
        ? `Basic ${Buffer.from(decodeURIComponent(`${url.username}:${url.password}`)).toString("base64")}`
        : undefined;
    remote = withoutUserinfo(remote);
    const header = authorization ?? basic;
    // Scoped to the origin: git does not send it to another host it is redirected to, nor to submodules elsewhere.
    if (header !== undefined) settings.push([`http.${url.origin}/.extraHeader`, `Authorization: ${header}`]);
  }
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && (KEPT.includes(name as never) || PROXIES.test(name)));
  const config = settings.flatMap(([key, value], n) => [
    [`GIT_CONFIG_KEY_${n}`, key],
    [`GIT_CONFIG_VALUE_${n}`, value],
  ]);
  return {
    remote,
    env: {
      ...Object.fromEntries(kept),
      ...Object.fromEntries(config),
      GIT_CONFIG_COUNT: String(settings.length),
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_ATTR_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_LITERAL_PATHSPECS: "1",
      GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
      GIT_ALLOW_PROTOCOL: source.scheme === "file" ? "file" : "https:http:ssh:git",
      GIT_LFS_SKIP_SMUDGE: "1",
      HOME: "/nonexistent",
      LC_ALL: "C",
    },
  };
}

/** What git says when it fails, for the caller to put into words. */
export class GitError extends Error {
  readonly complaint: string;
  constructor(args: readonly string[], complaint: string) {
    super(`git ${args[0]}: ${complaint}`);
    this.complaint = complaint;
  }
}

/** Runs git in `cwd` and resolves with its standard output. Throws GitError, NOT_FOUND where git is missing, INTERRUPTED. */
export async function runGit(args: readonly string[], cwd: string, access: GitAccess, task: Task): Promise<string> {
  // Files must not come out differently under another umask; spawn forks before it returns, so nobody else sees this.
  const umask = process.umask(0o022);
  let child: ReturnType<typeof spawn>;
  try {
    child = spawn("git", args, { cwd, env: access.env, stdio: ["ignore", "pipe", "pipe"], signal: task.signal });
  } finally {
    process.umask(umask);
  }
  let output = "";
  let complaint = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.length > OUTPUT) child.kill();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT);
  });
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (task.signal.aborted) reject(new Failure("INTERRUPTED", "git was interrupted", { cause: error }));
      else if (error.code === "ENOENT") {
        reject(
          new Failure("NOT_FOUND", "the program git is not on PATH: a git address cannot be fetched without it", {
            hint: "Install git, or give a directory or a tar archive of the sources.",
            cause: error,
          }),
        );
      } else reject(error);
    });
    child.on("close", (code, signal) => resolve(code ?? signal ?? 1));
  });
  if (status === 0) return output;
  if (output.length > OUTPUT) throw new Failure("LIMIT", `git ${args[0]} answered more than ${OUTPUT} bytes`);
  const lines = complaint
    .split(/[\r\n]+/)
    .filter((line) => line !== "" && !/^(?:remote: )?(?:Enumerating|Counting|Compressing)/.test(line));
  throw new GitError(args, lines.slice(-5).map(printableLine).join("; ") || `ended with ${status}`);
}
