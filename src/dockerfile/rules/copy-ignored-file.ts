import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

/** Sources of ADD that are fetched. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|[^/@:]+@[^/:]+:)/i;

export const copyIgnoredFile: Rule = {
  name: "CopyIgnoredFile",
  description: "Attempting to Copy file that is excluded by .dockerignore",
  why: "What the ignore file excludes is not there for COPY and ADD: the instruction fails, or silently copies less. Take the pattern out of the ignore file, add a `!` exception, or drop the source.",
  bad: "FROM scratch\nCOPY build/app /app\n",
  good: "FROM scratch\nCOPY out/app /app\n",
  ignore: "build\n",
  command({ command, words, span, ignore }, report) {
    if (!ignore || (command.kind !== "copy" && command.kind !== "add") || (command.kind === "copy" && command.from !== undefined)) return;
    for (const source of words) {
      if ((command.kind === "add" && REMOTE.test(source)) || !ignore.matches(source)) continue;
      const verb = command.kind === "add" ? "Add" : "Copy";
      report(span, `Attempting to ${verb} file ${quote(source)} that is excluded by .dockerignore`);
    }
  },
};
