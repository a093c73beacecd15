import { isatty } from "node:tty";
import { TCGETS, TCSETS } from "./flags.ts";
import { newTable, performTable, TableError } from "./perform.ts";
import type { TableBuilder } from "./table.ts";

/** Settings of the terminal that is nought's standard input: struct termios of the kernel. ioctl_tty(2). */
export interface RawTerminal {
  /** As they were. */
  readonly saved: Buffer;
  /** So that every key goes to the program inside, and every byte of it to the screen. cfmakeraw(3). */
  readonly raw: Buffer;
}

const LENGTH = 36;
/** Offsets of the flags and of two of the control characters. */
const AT = { input: 0, output: 4, control: 8, local: 12, time: 17 + 5, min: 17 + 6 } as const;
/** IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON; OPOST; CSIZE PARENB; ISIG ICANON ECHO ECHONL IEXTEN; CS8 is set. */
const OFF = { input: 0x5eb, output: 1, control: 0x130, local: 0x804b } as const;
const CS8 = 0x30;

/** The settings to use while a program has the terminal; undefined where standard input is none. The helper sets them (janitor.ts). */
export function rawTerminal(): RawTerminal | undefined {
  if (!isatty(0)) return undefined;
  const table = newTable();
  const settings = table.space(LENGTH);
  table.call("ioctl", [0, TCGETS, settings]);
  table.call("write", [1, settings, LENGTH]);
  try {
    const saved = performTable(table.finish(), "inherit");
    const raw = Buffer.from(saved);
    for (const name of ["input", "output", "control", "local"] as const)
      raw.writeUInt32LE((raw.readUInt32LE(AT[name]) & ~OFF[name]) >>> 0, AT[name]);
    raw.writeUInt32LE(raw.readUInt32LE(AT.control) | CS8, AT.control);
    raw[AT.time] = 0;
    raw[AT.min] = 1;
    return { saved, raw };
  } catch (error) {
    if (error instanceof TableError) return undefined;
    throw error;
  }
}

/** Puts it back now, where the helper was killed and its janitor may come too late. */
export function restoreTerminal({ saved }: RawTerminal): void {
  const table = newTable();
  setTerminal(table, saved);
  performTable(table.finish(), "inherit");
}

/** Adds the call that sets the terminal of descriptor 0; where it is gone, nothing happens. */
export function setTerminal(table: TableBuilder, settings: Buffer): void {
  // Who sets a terminal from the background is stopped, unless he does not hear of it.
  const signals = table.words64(1 << (SIGTTOU - 1));
  table.call("rt_sigprocmask", [SIG_BLOCK, signals, 0, 8]);
  table.call("ioctl", [0, TCSETS, table.bytes(settings)], { ignore: true });
  table.call("rt_sigprocmask", [SIG_UNBLOCK, signals, 0, 8]);
}

const SIGTTOU = 22;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
