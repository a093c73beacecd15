import { hasGlob } from "../../kit/glob.ts";
import { cleanPath, type PathMatcher } from "../../kit/pattern.ts";
import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

/** Sources of ADD that are fetched. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|[^/@:]+@[^/:]+:)/i;

export const copyIgnoredFile: Rule = {
  name: "CopyIgnoredFile",
  description: "Attempting to Copy file that is excluded by .dockerignore",
  why: "What the ignore file excludes is not there for COPY and ADD: the instruction fails, or silently copies less. Take the pattern out of the ignore file, add a `!` exception, or drop the source. A source that an exception might bring back, whole or in part, is no finding.",
  bad: "FROM scratch\nCOPY build/app /app\n",
  good: "FROM scratch\nCOPY out/app /app\n",
  ignore: "build\n",
  command({ command, words, span, ignore }, report) {
    if (!ignore || (command.kind !== "copy" && command.kind !== "add") || (command.kind === "copy" && command.from !== undefined)) return;
    for (const source of words) {
      if ((command.kind === "add" && REMOTE.test(source)) || !isIgnored(source, ignore)) continue;
      const verb = command.kind === "add" ? "Add" : "Copy";
      report(span, `Attempting to ${verb} file ${quote(source)} that is excluded by .dockerignore`);
    }
  },
};

/** A name that no pattern means but those that mean everything. */
const ANYTHING = "\u{10ffff}";

/**
 * Whether nothing of a source can arrive. Sources are compared as written, as BuildKit does; what an exception may take back is no
 * finding (its issues 5884 and 6512), and the whole context is one only where everything is excluded (6926).
 */
function isIgnored(source: string, ignore: PathMatcher): boolean {
  if (!ignore.matches(source)) return false;
  const path = cleanPath(`/${source}`).slice(1);
  const excepts = ignore.patterns.some((pattern) => pattern.startsWith("!"));
  if (path === "") return !excepts && ignore.matches(ANYTHING);
  if (excepts && hasGlob(source)) return false;
  return ignore.matches(path) && !ignore.mayHaveExceptionsBelow(path);
}
