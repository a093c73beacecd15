import { Failure } from "../kit/error.ts";
import type { OciRuntime } from "./runtime/table.ts";

/** What is otherwise found out: for tests, and for machines that allow less. */
export interface Machine {
  /** Release of the kernel. */
  readonly kernel?: string;
  /** The machine's /proc instead of a new one. */
  readonly bindProc?: boolean;
  /** A real OCI runtime that is to do it instead of nought's own engine. */
  readonly runtime?: OciRuntime;
}

/** The kernel refused to mount a new /proc. Nothing was changed yet. */
export class ProcRefused extends Failure {}

/** Whether that was seen. */
let noOwnProc = false;

/**
 * Tries with a new /proc, and where the kernel refuses that once more with the machine's: most often a container around us hides parts of
 * it. `lasting`: it will be so for every sandbox of this process.
 */
export async function withProc<T>(machine: Machine, lasting: boolean, attempt: (machine: Machine) => Promise<T>): Promise<T> {
  const bindProc = machine.bindProc ?? noOwnProc;
  try {
    return await attempt({ ...machine, bindProc });
  } catch (error) {
    if (bindProc || !(error instanceof ProcRefused)) throw error;
    noOwnProc ||= lasting;
    return attempt({ ...machine, bindProc: true });
  }
}
