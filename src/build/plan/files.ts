import type { Command } from "../../dockerfile/command.ts";
import { expandHeredoc } from "../../dockerfile/expand.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { parseGitUrl } from "../../net/git-url.ts";
import { redactUrl } from "../../net/redact.ts";
import { toPath } from "../../tree/path.ts";
import { parseMode } from "../files/mode.ts";
import type { FileAction, InputRef, Put } from "../graph.ts";
import type { StageState } from "./state.ts";

type FilesCommand = Command & { readonly kind: "add" | "copy" };

/** COPY and ADD: one step with an action for each kind of source. */
export async function planFiles(state: StageState, command: FilesCommand): Promise<void> {
  const expand = (word: string) => state.expand(word);
  const optional = (word: string | undefined) => (word === undefined ? undefined : expand(word));
  const dest = expand(command.dest);
  const sources = command.sources.map(expand);
  const { excludes } = command;
  const chown = optional(command.chown);
  const chmod = optional(command.chmod);
  const checksum = optional(command.checksum);
  if (chmod !== undefined && chmod !== "") parseMode(chmod);
  if (dest === "") throw new Failure("PLAN", `${command.kind.toUpperCase()}: the destination is empty`);
  const put: Put = {
    dest: destination(state.workdir, dest),
    // BuildKit, too, makes no separate layer where the mode is set (dockerfile2llb, dispatchCopy).
    link: command.link && !chmod,
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
  };
  const actions: FileAction[] = [];
  const input: InputRef = command.from === undefined ? { from: "context" } : await state.find(command.from, command);
  let plain: string[] = [];
  const flushPlain = () => {
    if (plain.length === 0) return;
    actions.push({
      do: "copy",
      input,
      sources: plain,
      excludes,
      parents: command.parents,
      unpack: command.kind === "add" && command.unpack !== false,
      put,
    });
    plain = [];
  };
  for (const source of sources) {
    const remote = command.kind === "add" ? remoteAction(source, command, put, excludes, checksum) : undefined;
    if (remote === undefined) {
      if (/^https?:\/\//i.test(source))
        throw new Failure("PLAN", "source can't be a URL for COPY", { hint: "Use ADD, which fetches URLs." });
      if (checksum !== undefined)
        throw new Failure("PLAN", "checksum can't be specified for local sources", {
          hint: "--checksum is for http(s) and git sources of ADD.",
        });
      plain.push(source);
      continue;
    }
    flushPlain();
    actions.push(remote);
  }
  flushPlain();
  for (const { path, content, expand: wanted } of command.contents) {
    const text = wanted ? expandHeredoc(content, (name) => state.scope.lookup(name)).value : content;
    actions.push({ do: "write", name: path, text, put });
  }
  const said = [
    command.kind.toUpperCase(),
    ...(command.parents ? ["--parents"] : []),
    ...(chown ? [`--chown=${chown}`] : []),
    ...(chmod ? [`--chmod=${chmod}`] : []),
    ...sources.map((source) => redactUrl(source)),
    ...command.contents.map(({ path }) => `<<${path}`),
    dest,
  ].join(" ");
  state.step(shown(command, state), `${said} # buildkit`, { kind: "files", actions }, command);
}

/** WORKDIR: the directory is made by whoever USER is, with all its parents. */
export function planWorkdir(state: StageState, command: Command & { readonly kind: "workdir" }): void {
  const given = state.expand(command.path);
  const path = toPath(given, toPath(state.workdir));
  // Docker cleans a relative path that it joins, and keeps an absolute one as it was written.
  const written = given.startsWith("/") ? given : path;
  if (/^\/(?:proc|sys|dev)(?:\/|$)/.test(path)) {
    throw new Failure("PLAN", `WORKDIR ${printable(path)}: a working directory cannot lie in /proc, /sys or /dev`, {
      hint: "Those are mounted when a container starts.",
    });
  }
  const text = `WORKDIR ${written}`;
  state.config = { ...state.config, WorkingDir: written };
  if (path === "/") {
    state.configure(text, {});
    return;
  }
  state.step(shown(command, state), text, { kind: "files", actions: [{ do: "mkdir", path, user: state.config.User ?? "" }] }, command);
}

/** Absolute, with a slash at the end where the word says that it is a directory. */
function destination(workdir: string, dest: string): string {
  const path = toPath(dest, toPath(workdir));
  return /(?:^|\/)\.{0,2}$/.test(dest) && path !== "/" ? `${path}/` : path;
}

function remoteAction(
  source: string,
  command: FilesCommand,
  put: Put,
  excludes: readonly string[],
  checksum: string | undefined,
): FileAction | undefined {
  const sum = checksum === undefined ? {} : { checksum };
  if (parseGitUrl(source, "add") !== undefined) {
    return { do: "git", url: source, keepGitDir: command.keepGitDir ?? false, put, excludes, ...sum };
  }
  if (/^https?:\/\//i.test(source)) return { do: "fetch", url: source, unpack: command.unpack ?? false, put, ...sum };
  return undefined;
}

/** An instruction as progress shows it: one line, user names and passwords of URLs taken out; with `state`, variables worked out. */
export function shown(command: Command, state?: StageState): string {
  const text = command.instruction.original.replace(/\s+/g, " ").trim();
  const rest = text.slice(command.instruction.keyword.length);
  const words = (state ? expanded(rest, state) : rest).split(" ");
  return command.instruction.name.toUpperCase() + words.map((word) => (word.includes("://") ? redactUrl(word) : word)).join(" ");
}

/** A label is no place to fail: what does not expand is shown as it was written, as docker does. */
function expanded(text: string, state: StageState): string {
  try {
    return state.expand(text);
  } catch {
    return text;
  }
}
