import type { Failure } from "../kit/error.ts";
import type { SourceSpan } from "../kit/span.ts";
import type { Heredoc, Instruction, Syntax } from "./syntax.ts";

/** A word that may hold `$variables` and quotes: expand it (expand.ts) before use. */
export type Word = string;

/** CMD, ENTRYPOINT, SHELL, RUN and HEALTHCHECK's command: the exec form has several words, the shell form one line. */
export interface CommandLine {
  readonly shell: boolean;
  readonly words: readonly string[];
  /** Heredocs of the shell form. */
  readonly heredocs: readonly Heredoc[];
}

/** One `--mount=…` of RUN, its options read and checked; strings may still hold variables where BuildKit expands them. */
export interface RunMount {
  readonly type: "bind" | "cache" | "tmpfs" | "secret" | "ssh";
  readonly from?: Word;
  readonly source?: Word;
  readonly target?: Word;
  readonly readonly?: boolean;
  readonly id?: Word;
  readonly sharing?: "shared" | "private" | "locked";
  readonly required?: boolean;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Environment variable that a secret is given in. */
  readonly env?: string;
  /** Bytes, for tmpfs. */
  readonly size?: number;
  /** The flag's value as written. */
  readonly text?: string;
  /** Options with variables wait in `text`: read it again with `parseMount` (commands/mount.ts) when their values are known. */
  readonly variables?: boolean;
}

/** Flags are unexpanded; absent means not given. */
export interface FilesCommand {
  readonly kind: "add" | "copy";
  readonly sources: readonly Word[];
  /** Heredocs among the sources, in order of appearance after the plain ones. `path` is the delimiter. */
  readonly contents: readonly { readonly path: string; readonly content: string; readonly expand: boolean }[];
  readonly dest: Word;
  readonly from?: string;
  readonly chown?: Word;
  readonly chmod?: Word;
  readonly link: boolean;
  readonly parents: boolean;
  readonly excludes: readonly Word[];
  readonly keepGitDir?: boolean;
  readonly checksum?: Word;
  readonly unpack?: boolean;
}

export interface KeyValue {
  readonly key: Word;
  readonly value: Word;
  /** The old `ENV name value` form. */
  readonly old: boolean;
}

/** One typed instruction of a stage. `instruction` is where it came from. */
export type Command = { readonly instruction: Instruction; readonly span: SourceSpan } & (
  | FilesCommand
  | { readonly kind: "arg"; readonly args: readonly { readonly key: Word; readonly value?: Word }[] }
  | { readonly kind: "env"; readonly pairs: readonly KeyValue[] }
  | { readonly kind: "label"; readonly pairs: readonly KeyValue[] }
  | { readonly kind: "maintainer"; readonly name: Word }
  | { readonly kind: "workdir"; readonly path: Word }
  | { readonly kind: "user"; readonly user: Word }
  | { readonly kind: "cmd"; readonly line: CommandLine }
  | { readonly kind: "entrypoint"; readonly line: CommandLine }
  | { readonly kind: "shell"; readonly words: readonly string[] }
  | { readonly kind: "expose"; readonly ports: readonly Word[] }
  | { readonly kind: "volume"; readonly paths: readonly Word[] }
  | { readonly kind: "stopsignal"; readonly signal: Word }
  | {
      readonly kind: "healthcheck";
      /** Undefined for `HEALTHCHECK NONE`. */
      readonly line?: CommandLine;
      /** Nanoseconds. */
      readonly interval?: number;
      readonly timeout?: number;
      readonly startPeriod?: number;
      readonly startInterval?: number;
      readonly retries?: number;
    }
  | { readonly kind: "onbuild"; readonly expression: string }
  | {
      readonly kind: "run";
      readonly line: CommandLine;
      readonly mounts: readonly RunMount[];
      readonly network?: "default" | "none" | "host";
      readonly security?: "sandbox" | "insecure";
      readonly devices: readonly { readonly name: Word; readonly required: boolean }[];
    }
);

/** FROM … and all that follows up to the next FROM. */
export interface Stage {
  readonly index: number;
  /** As given with AS, in lower case; undefined where none was. */
  readonly name?: string;
  readonly base: Word;
  readonly platform?: Word;
  readonly instruction: Instruction;
  readonly span: SourceSpan;
  readonly commands: readonly Command[];
}

/** The typed form of a whole Dockerfile. `errors` has everything that is wrong, in the order of lines. */
export interface Program {
  readonly syntax: Syntax;
  /** ARG before the first FROM. */
  readonly globals: readonly (Command & { readonly kind: "arg" })[];
  readonly stages: readonly Stage[];
  readonly errors: readonly Failure[];
}
