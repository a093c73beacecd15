import type { PathMatcher } from "../../kit/pattern.ts";
import type { SourceSpan } from "../../kit/span.ts";
import type { Platform } from "../../oci/platform.ts";
import type { Command, Program, Stage } from "../command.ts";
import type { Expansion } from "../expand.ts";
import type { GlobalScope, StageArg } from "../scope.ts";
import type { Instruction, Syntax } from "../syntax.ts";

/** The whole file, for rules that compare its parts. */
export interface FileFacts {
  readonly program: Program;
  /** FROM's base of each stage as the file's own defaults make it, without build arguments; undefined where it does not expand. */
  readonly defaultBases: readonly (string | undefined)[];
}

/** One FROM with its words expanded. */
export interface FromFacts {
  readonly stage: Stage;
  readonly base: Expansion;
  readonly platform?: Expansion;
  readonly global: GlobalScope;
  /** Platform of the base image and the one it should have, where both are known. */
  readonly actual?: Platform;
  readonly expected?: Platform;
}

/** A variable that was asked for and is not set; `known` are the names that are. */
export interface UnsetVariable {
  readonly name: string;
  readonly known: readonly string[];
}

/** One instruction of a stage (one argument of an ARG), or an ONBUILD trigger that it sets off, with its words expanded. */
export interface CommandFacts {
  readonly stage: Stage;
  readonly command: Command;
  /** Where to report: the instruction, for a trigger the FROM. */
  readonly span: SourceSpan;
  /** The keyword as written. */
  readonly keyword: string;
  readonly unset: readonly UnsetVariable[];
  /** Expanded words that rules look at: names of ENV or the ARG, path of WORKDIR, ports of EXPOSE, local sources of COPY and ADD. */
  readonly words: readonly string[];
  /** What an ARG declared. */
  readonly arg?: StageArg;
  /** Whether a SHELL is set, here or by the base. */
  readonly hasShell: boolean;
  /** Whether a WORKDIR came before, in this stage or in one that it starts from. */
  readonly hasWorkdir: boolean;
  /** The last instruction of this kind in this stage. */
  readonly previous: SourceSpan | undefined;
  readonly ignore: PathMatcher | undefined;
}

export type Report = (span: SourceSpan, message: string) => void;

/**
 * A build check as data. `name` and `description` are BuildKit's, `why`, `bad` and `good` make the page docs/rules/NAME.md.
 * A rule looks at the file at one of the levels below; each is called for every such part, in the order of the file.
 */
export interface Rule {
  readonly name: string;
  readonly description: string;
  /** Off unless `experimental=` asks for it. */
  readonly experimental?: true;
  /** Without a page in docker's reference. */
  readonly unlisted?: true;
  /** Markdown. */
  readonly why: string;
  /** Dockerfiles; `bad` must give this finding and `good` none. */
  readonly bad: string;
  readonly good: string;
  /** An ignore file for the two. */
  readonly ignore?: string;
  readonly syntax?: (syntax: Syntax, report: Report) => void;
  readonly file?: (facts: FileFacts, report: Report) => void;
  readonly instruction?: (instruction: Instruction, report: Report) => void;
  readonly from?: (facts: FromFacts, report: Report) => void;
  readonly command?: (facts: CommandFacts, report: Report) => void;
}

/** Docker's page about a rule, as it prints it beside the name; "" for one that has none. */
export function ruleUrl({ name, unlisted }: Rule): string {
  const words = name.replace(/([a-z])([A-Z])/g, "$1-$2").replace(/([A-Z])([A-Z][a-z])/g, "$1-$2");
  return unlisted ? "" : `https://docs.docker.com/go/dockerfile/rule/${words.toLowerCase()}/`;
}
