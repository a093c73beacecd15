import type { Program, Stage } from "./command.ts";

/** How one stage hangs on others, by index. */
export interface StageLink {
  readonly stage: Stage;
  /** The stage that FROM names, undefined for an image or scratch. */
  readonly parent: number | undefined;
  /** Stages that COPY --from and RUN --mount=from read. Names that are no stages are left out. */
  readonly needs: readonly number[];
}

/**
 * Links the stages of a program by BuildKit's rules: FROM means the nearest stage above of this very name; `--from` means the last stage
 * of the name in any case, or the stage of this number. `bases`: FROM's name of each stage, expanded; undefined where it could not be.
 */
export function linkStages(program: Program, bases: readonly (string | undefined)[]): StageLink[] {
  const last = new Map<string, number>();
  for (const { name, index } of program.stages) if (name !== undefined) last.set(name, index);
  const find = (from: string): number[] => {
    const index = /^\d+$/.test(from) ? Number(from) : last.get(from.toLowerCase());
    return index !== undefined && index < program.stages.length ? [index] : [];
  };
  const above = new Map<string, number>();
  return program.stages.map((stage) => {
    const parent = above.get(bases[stage.index] ?? "");
    if (stage.name !== undefined) above.set(stage.name, stage.index);
    const needs = stage.commands.flatMap((command) => {
      if (command.kind === "copy") return find(command.from ?? "");
      return command.kind === "run" ? command.mounts.flatMap((mount) => find(mount.from ?? "")) : [];
    });
    return { stage, parent, needs };
  });
}
