import type { Command } from "../../dockerfile/command.ts";
import type { InputRef } from "../graph.ts";
import { argsOf } from "./config.ts";
import { shown } from "./files.ts";
import type { StageState } from "./state.ts";

/** RUN: what would be executed, and where; performing it is the sandbox's business. */
export async function planRun(state: StageState, command: Command & { readonly kind: "run" }): Promise<void> {
  const { line } = command;
  const args = line.shell && line.heredocs.length > 0 ? heredocArgs(state, command) : argsOf(state, line);
  const mounts = command.mounts.map((mount) => ({
    ...mount,
    ...(mount.source === undefined ? {} : { source: state.expand(mount.source) }),
    ...(mount.target === undefined ? {} : { target: state.expand(mount.target) }),
    ...(mount.id === undefined ? {} : { id: state.expand(mount.id) }),
  }));
  const inputs: InputRef[] = [];
  for (const mount of mounts) {
    if (mount.type !== "bind" && mount.type !== "cache") continue;
    if (mount.from !== undefined) inputs.push(await state.find(mount.from, command));
    else if (mount.type === "bind") inputs.push({ from: "context" });
  }
  const buildArgs = state.scope.args.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`));
  const said = line.shell ? [...(state.config.Shell ?? ["/bin/sh", "-c"]), line.words.join(" ")].join(" ") : args.join(" ");
  const prefix = buildArgs.length > 0 ? `|${buildArgs.length} ${buildArgs.join(" ")} ` : "";
  state.step(
    shown(command),
    `RUN ${prefix}${said} # buildkit`,
    {
      kind: "run",
      args,
      env: [...state.scope.variables].map(([key, value]) => `${key}=${value}`),
      cwd: state.workdir,
      user: state.config.User ?? "",
      mounts,
      inputs,
      network: command.network ?? "default",
      security: command.security ?? "sandbox",
    },
    command,
  );
}

/** A heredoc alone is a script for the shell, or for the program its first line names; beside a command it is that command's input. */
function heredocArgs(state: StageState, command: Command & { readonly kind: "run" }): readonly string[] {
  const { line } = command;
  const shell = state.config.Shell ?? ["/bin/sh", "-c"];
  const text = line.words.join(" ");
  const only = line.heredocs.length === 1 ? line.heredocs[0] : undefined;
  if (only && /^<<-?["']?\w+["']?$/.test(text.trim())) return [...shell, only.content];
  return [...shell, [text, ...line.heredocs.map((doc) => `${doc.content}${doc.name}`)].join("\n")];
}
