import type { Command } from "../../dockerfile/command.ts";
import { expandWord } from "../../dockerfile/expand.ts";
import type { StageScope } from "../../dockerfile/scope.ts";
import type { SourceSpan } from "../../kit/span.ts";
import type { ContainerConfig, HistoryEntry } from "../../oci/config.ts";
import type { FileAction, InputRef, StepOp } from "../graph.ts";
import { historyEntry } from "./history.ts";

/** A step before the stage is complete, when the total of its label is not known. */
export interface OpenStep {
  readonly text: string;
  readonly op: StepOp;
  readonly span: SourceSpan;
}

/** Finds what `--from` names. */
export type FindInput = (from: string, command: Command) => Promise<InputRef>;

/** A stage being planned: its instructions are worked off one after the other and each leaves its mark here. */
export class StageState {
  config: ContainerConfig;
  author: string | undefined;
  readonly history: HistoryEntry[] = [];
  readonly steps: OpenStep[] = [];
  readonly scope: StageScope;
  readonly escape: "\\" | "`";
  readonly find: FindInput;
  /** CMD was set in this stage: ENTRYPOINT does not reset it then. */
  cmdSet = false;

  constructor(config: ContainerConfig, scope: StageScope, escape: "\\" | "`", find: FindInput) {
    this.config = config;
    this.scope = scope;
    this.escape = escape;
    this.find = find;
  }

  /** Variables, quotes and escapes of one word worked out. Throws EXPANSION. */
  expand(word: string): string {
    return expandWord(word, (name) => this.scope.lookup(name), this.escape).value;
  }

  /** Changes the configuration and writes the history line of an instruction that touches no file. */
  configure(text: string, change: Partial<{ [K in keyof ContainerConfig]: ContainerConfig[K] | undefined }>): void {
    const merged: Record<string, unknown> = { ...this.config };
    for (const [key, value] of Object.entries(change)) {
      if (value === undefined) delete merged[key];
      else merged[key] = value;
    }
    this.config = merged as ContainerConfig;
    this.history.push(historyEntry(text, false));
  }

  /** Adds a step that may make a layer. `text` is what progress shows, `history` what `docker history` shows. */
  step(text: string, history: string, op: StepOp, command: Command): void {
    this.history.push(historyEntry(history, true));
    this.steps.push({ text, op, span: command.span });
  }

  /** FROM a folder (`--build-context NAME=DIR`): its files are the first step, with the words that BuildKit has for such a layer. */
  wholeContext(name: string, input: InputRef, span: SourceSpan): void {
    const put = { dest: "/", link: false };
    const copy: FileAction = { do: "copy", input, sources: ["/"], excludes: [], parents: false, unpack: false, put };
    this.history.push({ created_by: `local source for ${name}`, comment: "buildkit.exporter.image.v0" });
    this.steps.push({ text: `FROM ${name}`, op: { kind: "files", actions: [copy] }, span });
  }

  get workdir(): string {
    return this.config.WorkingDir || "/";
  }
}

/** Sets one variable in a list of `NAME=value`, at its old place where it has one. */
export function withEnv(env: readonly string[], name: string, value: string): string[] {
  const line = `${name}=${value}`;
  const at = env.findIndex((one) => one.startsWith(`${name}=`));
  return at < 0 ? [...env, line] : env.map((one, index) => (index === at ? line : one));
}
