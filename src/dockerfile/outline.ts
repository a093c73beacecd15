import type { SourceSpan } from "../kit/span.ts";
import type { Platform } from "../oci/platform.ts";
import { type BaseFacts, walkProgram } from "./check-walk.ts";
import { location } from "./checks-print.ts";
import type { Program, Stage } from "./command.ts";
import { linkStages } from "./reach.ts";
import type { GlobalScope } from "./scope.ts";
import { printTable } from "./text-table.ts";

export interface OutlineArg {
  readonly name: string;
  readonly description: string;
  readonly value: string;
  readonly span: SourceSpan;
}

/** A secret or an SSH agent that a RUN mounts. */
export interface OutlineMount {
  readonly name: string;
  readonly required: boolean;
  readonly span: SourceSpan;
}

/** What one can give to a build of a target, as `--call outline` shows it: everything the stages it needs ask for. */
export interface Outline {
  readonly name: string;
  readonly description: string;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
}

export interface OutlineOptions {
  readonly global: GlobalScope;
  readonly targetPlatform: Platform;
  readonly target?: string;
  readonly bases?: (stage: Stage, name: string) => BaseFacts | undefined;
}

/** One stage that can be a target. */
export interface Target {
  readonly name: string;
  readonly description: string;
  readonly isDefault: boolean;
  readonly stage: Stage;
}

/** Comment lines above an ARG or FROM describe it if one begins with its name. "" where none does. */
export function describe(comments: readonly string[], name: string | undefined): string {
  const start = `${name} `;
  return name === undefined ? "" : (comments.find((line) => line.startsWith(start))?.slice(start.length) ?? "");
}

/** Outlines the target's stage and those it needs (BuildKit's "outline" subrequest). Never throws for what does not expand. */
export function outline(program: Program, options: OutlineOptions): Outline {
  const { global, target } = options;
  const own = program.stages.map(() => ({ used: new Set<string>(), args: new Map<string, OutlineArg>() }));
  const bases: (string | undefined)[] = [];
  const secrets = new Map<string, OutlineMount>();
  const ssh = new Map<string, OutlineMount>();
  walkProgram(
    program,
    { ...options, target, allStages: false, ignore: undefined, bases: options.bases ?? (() => undefined) },
    ({ stage, base, platform }) => {
      bases[stage.index] = base.value;
      for (const name of [...base.used, ...(platform?.used ?? [])]) own[stage.index]?.used.add(name);
    },
    ({ stage, command, arg, span }) => {
      if (arg) {
        own[stage.index]?.used.add(arg.key);
        const description = describe(command.instruction.comments, arg.key);
        if (!arg.inherited) own[stage.index]?.args.set(arg.key, { name: arg.key, description, value: arg.value ?? "", span });
      }
      if (command.kind !== "run") return;
      for (const { type, id, source, target: path, required = false } of command.mounts) {
        const name = type === "secret" ? source || id || (path?.split("/").at(-1) ?? "") : id || "default";
        const into = type === "secret" ? secrets : type === "ssh" ? ssh : undefined;
        if (into && !into.has(name)) into.set(name, { name, required, span });
      }
    },
  );
  const args = new Map<string, OutlineArg>();
  const add = (name: string, from: ReadonlyMap<string, OutlineArg>): void => {
    const declared = global.args.get(name);
    const comments = program.globals.find(({ span }) => span === declared?.span)?.instruction.comments ?? [];
    const found =
      from.get(name) ?? (declared && { name, description: describe(comments, name), value: declared.value ?? "", span: declared.span });
    if (!found || args.has(name)) return;
    args.set(name, found);
    if (!from.has(name)) for (const dep of declared?.deps ?? []) add(dep, from);
  };
  const links = linkStages(program, bases);
  const wanted = target?.toLowerCase();
  const stage =
    program.stages.findLast(({ name, index }) => wanted !== undefined && (name === wanted || String(index) === wanted)) ??
    program.stages.at(-1);
  const seen = new Set<number>();
  const visit = (index: number | undefined): void => {
    if (index === undefined || seen.has(index)) return;
    seen.add(index);
    for (const name of own[index]?.used ?? []) add(name, own[index]?.args ?? new Map());
    visit(links[index]?.parent);
    for (const need of links[index]?.needs ?? []) visit(need);
  };
  visit(stage?.index);
  const inOrder = <T extends { readonly span: SourceSpan }>(all: Iterable<T>): T[] => [...all].sort((a, b) => a.span.line - b.span.line);
  return {
    name: stage?.name ?? "",
    description: describe(stage?.instruction.comments ?? [], stage?.name),
    args: inOrder(args.values()),
    secrets: inOrder(secrets.values()),
    ssh: inOrder(ssh.values()),
  };
}

/** The stages of a file (BuildKit's "targets" subrequest). */
export function listTargets(program: Program): Target[] {
  return program.stages.map((stage) => ({
    name: stage.name ?? "",
    description: describe(stage.instruction.comments, stage.name),
    isDefault: stage.index === program.stages.length - 1,
    stage,
  }));
}

/** What buildx prints for `--call outline`. */
export function printOutline({ name, description, args, secrets, ssh }: Outline): string {
  const head = [["TARGET:", name || "(default)"], ...(description === "" ? [] : [["DESCRIPTION:", description]])];
  const mounts = (title: string, all: readonly OutlineMount[]): string =>
    all.length === 0 ? "" : `${printTable([[title, "REQUIRED"], ...all.map((one) => [one.name, one.required ? "true" : ""])], 3)}\n`;
  const rows = args.map((arg) => [arg.name, arg.value, arg.description]);
  return [
    name === "" && description === "" ? "" : `${printTable(head, 1)}\n`,
    args.length === 0 ? "" : `${printTable([["BUILD ARG", "VALUE", "DESCRIPTION"], ...rows], 3)}\n`,
    mounts("SECRET", secrets),
    mounts("SSH", ssh),
  ].join("");
}

/** What buildx prints for `--call targets`. */
export function printTargets(targets: readonly Target[]): string {
  const label = ({ name, isDefault }: Target): string => (isDefault ? (name === "" ? "(default)" : `${name} (default)`) : name);
  return printTable([["TARGET", "DESCRIPTION"], ...targets.map((target) => [label(target), target.description])], 1);
}

const sources = (program: Program): string[] => [Buffer.from(program.syntax.text).toString("base64")];

/** `--call outline,format=json`, as a value. */
export function outlineJson({ name, description, args, secrets, ssh }: Outline, program: Program): unknown {
  const place = ({ span }: { readonly span: SourceSpan }): object => ({ location: location(span.line, span.endLine) });
  const mounts = (all: readonly OutlineMount[]): object[] =>
    all.map((one) => ({ name: one.name, ...(one.required ? { required: true } : {}), ...place(one) }));
  const list = (key: string, all: readonly object[]): object => (all.length === 0 ? {} : { [key]: all });
  return {
    ...text("name", name),
    ...text("description", description),
    ...list(
      "args",
      args.map((arg) => ({ name: arg.name, ...text("description", arg.description), ...text("value", arg.value), ...place(arg) })),
    ),
    ...list("secrets", mounts(secrets)),
    ...list("ssh", mounts(ssh)),
    sources: sources(program),
  };
}

/** `--call targets,format=json`, as a value. */
export function targetsJson(targets: readonly Target[], program: Program): unknown {
  const all = targets.map(({ name, description, isDefault, stage }) => ({
    ...text("name", name),
    ...(isDefault ? { default: true } : {}),
    ...text("description", description),
    base: stage.base,
    ...text("platform", stage.platform ?? ""),
    location: location(stage.span.line, stage.span.endLine),
  }));
  return { targets: all, sources: sources(program) };
}

function text(key: string, value: string): object {
  return value === "" ? {} : { [key]: value };
}
