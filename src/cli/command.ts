import type { ContentStore } from "../store/face.ts";
import type { Flag, Flags, Positional } from "./flags.ts";

/** What a command is handed: its flags and words, and the only ways to the outside. */
export interface Invocation {
  readonly command: Command;
  /** The words the command was called by: `image ls`. */
  readonly path: string;
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Standard output: results. Whole lines, or bytes of an archive. */
  out(text: string | Uint8Array): void;
  /** Standard error: everything else. Text from outside has gone through printable(). */
  err(text: string): void;
  /** The folder of the local store, made absolute. */
  readonly storeDir: string;
  /** Opens the store at the first call; it is closed when the command ends. */
  store(): Promise<ContentStore>;
}

/** One command as data. Help, completions, the man page and docs/cli are made from this alone. */
export interface Command {
  /** Every way to call it, the one for headings first: `image ls`, `images`. */
  readonly paths: readonly [string, ...string[]];
  /** Words after the name in the usage line. */
  readonly usage: string;
  readonly description: string;
  /** Further paragraphs for `--help`, the man page and the reference. */
  readonly more?: string;
  readonly section: "Common Commands" | "Commands";
  readonly flags: readonly Flag[];
  readonly positional: Positional;
  readonly stopAtFirst?: boolean;
  readonly hidden?: boolean;
  /** Exit code of wrong usage where it is not 2 (`run`: 125). */
  readonly usageExit?: number;
  /** What a shell offers for the words. */
  readonly completes?: "images" | "containers" | "files" | "folders" | "shells";
  /** Brings in the command's code. Its exit code is the number returned, 0 without. */
  readonly load: () => Promise<{ run(call: Invocation): Promise<number | void> }>;
}
