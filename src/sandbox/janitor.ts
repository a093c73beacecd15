import { AT_FDCWD, AT_REMOVEDIR, PR } from "./flags.ts";
import { FD, pipe } from "./guard.ts";
import { type RawTerminal, setTerminal } from "./raw.ts";
import type { TableBuilder } from "./table.ts";

/** Times that a directory is tried, and milliseconds between. */
const TRIES = 60;
const PAUSE = 50;

/** A process that tidies up after the others. */
export interface Janitor {
  /** Adds what says, at the end, that all went well: the terminal is put back at once. */
  dismiss(): void;
}

/**
 * Leaves a process behind that acts once all others are gone, also when they were killed: it removes control groups, which are the only
 * thing of a sandbox that does not go by itself, and puts the terminal of descriptor 0 back, which is made raw here. It waits at a pipe of
 * which it alone has no writing end, so it needs no number of a process. Undefined where there is nothing to tidy up.
 */
export function janitor(table: TableBuilder, folders: readonly string[], terminal: RawTerminal | undefined): Janitor | undefined {
  if (folders.length === 0 && !terminal) return undefined;
  const [read, write] = pipe(table, "the janitor");
  const child = table.register();
  const parent = table.mark();
  table.clone(0, child, parent, "fork");
  table.call("prctl", [PR.SET_PDEATHSIG, 0, 0, 0, 0]);
  table.call("rt_sigprocmask", [0, table.words64(-1), 0, 8]);
  if (!terminal) table.call("setsid", [], { ignore: true });
  for (const fd of [write, ...(terminal ? [] : [0]), 1, 2, FD.table, FD.report, FD.frames]) table.call("close", [fd], { ignore: true });
  const said = table.register();
  const well = table.mark();
  table.call("read", [read, table.space(8), 1], { ignore: true, into: said });
  table.jumpEqual(said, 1, well);
  if (terminal) setTerminal(table, terminal.saved);
  table.place(well);
  for (const folder of folders) remove(table, folder);
  table.leave(0);
  table.place(parent);
  table.call("close", [read]);
  if (terminal) setTerminal(table, terminal.raw);
  return {
    dismiss() {
      if (terminal) setTerminal(table, terminal.saved);
      table.call("write", [write, table.text("w"), 1], { ignore: true });
    },
  };
}

function remove(table: TableBuilder, folder: string): void {
  const gone = table.mark();
  const result = table.register();
  const pause = table.words64(0, PAUSE * 1_000_000);
  for (let tries = 0; tries < TRIES; tries++) {
    table.call("unlinkat", [AT_FDCWD, table.text(folder), AT_REMOVEDIR], { ignore: true, into: result });
    table.jumpEqual(result, 0, gone);
    table.jumpEqual(result, -2, gone);
    table.call("ppoll", [0, 0, pause, 0, 0], { ignore: true });
  }
  table.place(gone);
}
