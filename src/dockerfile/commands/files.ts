import type { FilesCommand } from "../command.ts";
import { chomp, heredocOfWord, opensHeredoc } from "../heredoc.ts";
import { Mistake } from "../mistake.ts";
import type { Instruction } from "../syntax.ts";
import { readFlags } from "./flags.ts";
import { checksumProblem, judge, modeProblem, ownerProblem } from "./value.ts";

const SHARED = { chown: "text", chmod: "text", link: "boolean", exclude: "texts" } as const;

/** `ADD [flags] SOURCE… DEST` */
export function readAdd(instruction: Instruction): FilesCommand {
  needTwo(instruction);
  const flags = readFlags(instruction, { ...SHARED, "keep-git-dir": "boolean", checksum: "text", unpack: "boolean" });
  judge(flags.checksum || undefined, checksumProblem);
  return {
    kind: "add",
    ...shared(instruction, flags),
    parents: false,
    ...(flags["keep-git-dir"] === undefined ? {} : { keepGitDir: flags["keep-git-dir"] }),
    ...(flags.checksum ? { checksum: flags.checksum } : {}),
    ...(flags.unpack === undefined ? {} : { unpack: flags.unpack }),
  };
}

/** `COPY [flags] SOURCE… DEST` */
export function readCopy(instruction: Instruction): FilesCommand {
  needTwo(instruction);
  const flags = readFlags(instruction, { ...SHARED, from: "text", parents: "boolean" });
  const { from } = flags;
  if (from?.includes("$")) {
    const message =
      "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround";
    throw new Mistake(message);
  }
  if (from !== undefined && /^(?:docker\.io\/)?(?:library\/)?scratch(?:[:@].*)?$/.test(from)) {
    const message = `COPY --from=${from}: 'scratch' is a reserved name; it is no image and holds no files`;
    throw new Mistake(message, "Name a stage, an image or a build context to copy from.", "RESERVED");
  }
  return { kind: "copy", ...shared(instruction, flags), ...(from ? { from } : {}), parents: flags.parents ?? false };
}

interface SharedFlags {
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean | undefined;
  readonly exclude: readonly string[];
}

function shared(instruction: Instruction, flags: SharedFlags): Omit<FilesCommand, "kind" | "parents"> {
  judge(flags.chown || undefined, ownerProblem);
  judge(flags.chmod || undefined, modeProblem);
  return {
    ...sources(instruction),
    ...(flags.chown ? { chown: flags.chown } : {}),
    ...(flags.chmod ? { chmod: flags.chmod } : {}),
    link: flags.link ?? false,
    excludes: flags.exclude,
  };
}

function needTwo(instruction: Instruction): void {
  if (instruction.args.length >= 2) return;
  const command = instruction.name.toUpperCase();
  throw new Mistake(`${command} requires at least two arguments, but only one was provided. Destination could not be determined`);
}

/** Plain sources, heredocs and the destination. Of two heredocs with one name, the last one's content counts for both. */
function sources(instruction: Instruction): Pick<FilesCommand, "sources" | "contents" | "dest"> {
  const dest = instruction.args.at(-1) as string;
  if (heredocOfWord(dest)) throw new Mistake(`${instruction.name.toUpperCase()} cannot accept a heredoc as a destination`);
  const bodies = new Map(instruction.heredocs.map((heredoc) => [heredoc.name, heredoc.content]));
  const plain: string[] = [];
  const contents: FilesCommand["contents"][number][] = [];
  for (const word of instruction.args.slice(0, -1)) {
    if (opensHeredoc(word) && bodies.size > 0) {
      throw new Mistake(`${instruction.name.toUpperCase()} takes no blanks between << and the name of a heredoc`);
    }
    const head = heredocOfWord(word);
    if (!head) {
      plain.push(word);
      continue;
    }
    const body = bodies.get(head.name) ?? "";
    contents.push({ path: head.name, content: head.chomp ? chomp(body) : body, expand: head.expand });
  }
  return { sources: plain, contents, dest };
}
