import { existsSync, lstatSync, lutimesSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import { type GitAccess, GitError, gitAccess, runGit } from "./git-run.ts";
import type { GitSource } from "./git-url.ts";
import { redactUrl } from "./redact.ts";

/** How to fetch a repository; nothing is needed. */
export interface GitOptions {
  /** Value of an Authorization header for http and https. */
  readonly authorization?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  /** The commit that `resolveGit` answered: exactly this one is checked out even if the ref has moved since. */
  readonly commit?: string;
  /** Where PATH, proxies and the ssh agent are read; the process's own environment by default. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Files of one commit on disk, until disposed. */
export interface GitCheckout extends AsyncDisposable {
  /** The checked-out files (the sub-directory where one was asked for). Removed when disposed. */
  readonly dir: string;
  /** The commit in full. */
  readonly commit: string;
  /** The commit's time, seconds since the epoch: the mtime of every file, and what SOURCE_DATE_EPOCH=git means. */
  readonly time: number;
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** The commit that a source points to now, by one `ls-remote`. Throws NOT_FOUND, NETWORK, DIGEST (checksum). */
export async function resolveGit(source: GitSource, options: GitOptions, task: Task): Promise<string> {
  if (source.ref !== undefined && COMMIT.test(source.ref)) return checked(source, source.ref);
  const access = gitAccess(source, options.authorization, options.env ?? process.env);
  return checked(source, (await lookUp(source, access, task)).commit);
}

/**
 * Fetches one commit, as shallow as the server allows, and checks it out into a fresh directory below `tmp` (an existing
 * private directory). Sub-modules come along unless told otherwise, as docker does. File times are the commit's, so that
 * the same commit always gives the same context. Throws NOT_FOUND, NETWORK, DIGEST, CONTEXT, INTERRUPTED.
 */
export async function fetchGit(source: GitSource, tmp: string, options: GitOptions, task: Task): Promise<GitCheckout> {
  const access = gitAccess(source, options.authorization, options.env ?? process.env);
  const top = mkdtempSync(join(tmp, "git-"));
  const remove = () => rmSync(top, { recursive: true, force: true });
  try {
    const git = (...args: string[]) => runGit(args, top, access, task);
    await git("init", "-q", "--template=");
    await git("remote", "add", "--", "origin", access.remote);
    const commit = checked(source, await fetchCommit(source, options.commit, git, access, task));
    await told(source, git("checkout", "-q", "--detach", commit));
    const time = Number((await git("show", "-s", "--format=%ct", commit)).trim());
    if ((options.submodules ?? source.submodules ?? true) && existsSync(join(top, ".gitmodules"))) {
      await told(source, git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"));
    }
    const keep = (options.keepGitDir ?? source.keepGitDir ?? false) && source.subdir === undefined;
    if (keep) await tidyGitDir(top, git);
    else removeGitDirs(top);
    const dir = inside(top, source);
    setTimes(dir, time);
    return { dir, commit, time, [Symbol.asyncDispose]: async () => remove() };
  } catch (error) {
    remove();
    if (error instanceof GitError) throw put(source, error);
    throw error;
  }
}

type Git = (...args: string[]) => Promise<string>;

async function fetchCommit(source: GitSource, wanted: string | undefined, git: Git, access: GitAccess, task: Task): Promise<string> {
  const asked = source.ref !== undefined && COMMIT.test(source.ref) ? source.ref : wanted;
  if (asked !== undefined) {
    try {
      await git("fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", "origin", asked);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      // A server may refuse to send a commit that no ref names: then take everything and look there.
      await told(
        source,
        git("fetch", "-q", "--no-recurse-submodules", "--", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"),
      );
    }
    return (await told(source, git("rev-parse", "--verify", "--quiet", "--end-of-options", `${asked}^{commit}`), asked)).trim();
  }
  const { ref } = await lookUp(source, access, task);
  await told(
    source,
    git("fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", "origin", `+${ref}:refs/nought/fetched`),
  );
  return (await git("rev-parse", "--verify", "refs/nought/fetched^{commit}")).trim();
}

/** Branches win over tags of the same name, as in BuildKit; an annotated tag stands for its commit. */
async function lookUp(source: GitSource, access: GitAccess, task: Task): Promise<{ commit: string; ref: string }> {
  const { ref } = source;
  const patterns = ref === undefined ? ["HEAD"] : [ref, `${ref}^{}`];
  const answer = await told(source, runGit(["ls-remote", "--", access.remote, ...patterns], "/", access, task));
  const refs = new Map(answer.split("\n").flatMap((line) => (line.includes("\t") ? [line.split("\t").reverse() as [string, string]] : [])));
  const candidates =
    ref === undefined
      ? ["HEAD"]
      : [`refs/heads/${ref.replace(/^refs\/heads\//, "")}`, `refs/tags/${ref.replace(/^refs\/tags\//, "")}`, ref, `refs/${ref}`];
  for (const name of candidates) {
    const commit = refs.get(`${name}^{}`) ?? refs.get(name);
    if (commit !== undefined && COMMIT.test(commit)) return { commit, ref: name };
  }
  throw new Failure("NOT_FOUND", `${redactUrl(source.remote)}: repository does not contain ref ${printable(ref ?? "HEAD")}`);
}

function checked(source: GitSource, commit: string): string {
  if (source.checksum === undefined || commit.startsWith(source.checksum)) return commit;
  throw new Failure("DIGEST", `${redactUrl(source.remote)}: expected checksum to match ${source.checksum}, got ${commit}`);
}

/** The directory asked for, when it is one and no symlink stands on the way to it. */
function inside(top: string, source: GitSource): string {
  let dir = top;
  for (const part of source.subdir?.split("/") ?? []) {
    dir = join(dir, part);
    const stat = lstatSync(dir, { throwIfNoEntry: false });
    if (!stat?.isDirectory()) {
      const why = stat === undefined ? "does not exist" : stat.isSymbolicLink() ? "is a symbolic link" : "is not a directory";
      throw new Failure("CONTEXT", `${redactUrl(source.remote)}: sub-directory ${printable(source.subdir ?? "")} ${why}`);
    }
  }
  return dir;
}

async function tidyGitDir(top: string, git: Git): Promise<void> {
  await git("reflog", "expire", "--all", "--expire=now");
  for (const name of ["FETCH_HEAD", "ORIG_HEAD", "logs", "hooks"]) rmSync(join(top, ".git", name), { recursive: true, force: true });
}

/** Removes .git here and in sub-modules; they name the temporary directory and are no part of the sources. */
function removeGitDirs(dir: string): void {
  for (const found of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, found.name);
    if (found.name === ".git") rmSync(path, { recursive: true, force: true });
    else if (found.isDirectory()) removeGitDirs(path);
  }
}

function setTimes(dir: string, time: number): void {
  for (const found of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, found.name);
    if (found.isDirectory()) setTimes(path, time);
    else lutimesSync(path, time, time);
  }
  lutimesSync(dir, time, time);
}

async function told<T>(source: GitSource, work: Promise<T>, ref = source.ref): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof GitError ? put(source, error, ref) : error;
  }
}

function put(source: GitSource, error: GitError, ref = source.ref): Failure {
  const where = redactUrl(source.remote);
  const { complaint } = error;
  if (/couldn't find remote ref|not our ref|^ended with 1$/.test(complaint)) {
    return new Failure("NOT_FOUND", `${where}: repository does not contain ref ${printable(ref ?? "HEAD")}`, { cause: error });
  }
  if (/could not read Username|Authentication failed|Permission denied \(publickey|HTTP Basic: Access denied/.test(complaint)) {
    const hint = source.scheme === "ssh" ? "Load a key into your ssh agent." : "Check the user name and password or token in the address.";
    return new Failure("AUTH", `${where}: the server asks for credentials, or refuses those it got`, { hint, cause: error });
  }
  return new Failure("NETWORK", `${where}: git failed: ${complaint}`, { cause: error });
}
