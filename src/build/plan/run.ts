import type { Command, RunMount } from "../../dockerfile/command.ts";
import { parseMount } from "../../dockerfile/commands/mount.ts";
import { chomp, heredocOfWord } from "../../dockerfile/heredoc.ts";
import { Mistake } from "../../dockerfile/mistake.ts";
import { Failure } from "../../kit/error.ts";
import type { InputRef, RunFile } from "../graph.ts";
import { argsOf } from "./config.ts";
import { shown } from "./files.ts";
import type { StageState } from "./state.ts";

type RunCommand = Command & { readonly kind: "run" };

/** RUN: what would be executed, and where; performing it is the sandbox's business. Throws PLAN, EXPANSION, NOT_FOUND. */
export async function planRun(state: StageState, command: RunCommand): Promise<void> {
  const { args, files } = commandOf(state, command);
  const mounts = command.mounts.map((mount) => readMount(state, mount));
  const inputs: InputRef[] = [];
  for (const mount of mounts) {
    if (mount.type !== "bind" && mount.type !== "cache") continue;
    if (mount.from !== undefined) inputs.push(await state.find(mount.from, command));
    else if (mount.type === "bind") inputs.push({ from: "context" });
  }
  // As docker's history has it: ARGs with the value that counts, which may be an ENV's.
  const told = state.scope.args.map(({ key, value }) => `${key}=${state.scope.lookup(key) ?? value ?? ""}`);
  const prefix = told.length > 0 ? `|${told.length} ${told.join(" ")} ` : "";
  state.step(
    shown(command),
    `RUN ${prefix}${args.join(" ")} # buildkit`,
    {
      kind: "run",
      args,
      files,
      env: [...state.scope.variables].map(([key, value]) => `${key}=${value}`),
      cwd: state.workdir,
      user: state.config.User ?? "",
      mounts,
      inputs,
      network: command.network ?? "default",
      security: command.security ?? "sandbox",
      devices: command.devices.map(({ name, required }) => ({ name: state.expand(name), required })),
    },
    command,
  );
}

/** A mount as it counts: one whose options wait for variables is read again now that their values are known. */
function readMount(state: StageState, given: RunMount): RunMount {
  try {
    const waits = given.variables === true && given.text !== undefined;
    const { text: _, ...mount } = waits ? parseMount(given.text, (word) => state.expand(word)) : given;
    return mount;
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    throw new Failure("PLAN", error.message, error.hint === undefined ? {} : { hint: error.hint });
  }
}

/**
 * A heredoc alone is a script for the shell, or a program of its own where its first line says who reads it; beside a command it is that
 * command's input, and the shell sees it as it was written (BuildKit, dockerfile2llb, dispatchRun).
 */
function commandOf(state: StageState, { line }: RunCommand): { readonly args: readonly string[]; readonly files: readonly RunFile[] } {
  const [doc] = line.heredocs;
  if (!line.shell || doc === undefined) return { args: argsOf(state, line), files: [] };
  const text = line.words.join(" ");
  const script = (words: string) => argsOf(state, { ...line, words: [words] });
  if (heredocOfWord(text.trim()) === undefined)
    return { args: script([text, ...line.heredocs.map((one) => `${one.content}${one.name}`)].join("\n")), files: [] };
  const content = doc.chomp ? chomp(doc.content) : doc.content;
  if (!doc.content.startsWith("#!")) return { args: script(content), files: [] };
  const path = `/dev/pipes/${doc.name}`;
  return { args: script(path), files: [{ path, text: content }] };
}
