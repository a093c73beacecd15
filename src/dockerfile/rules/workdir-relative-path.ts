import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

export const workdirRelativePath: Rule = {
  name: "WorkdirRelativePath",
  description:
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
  why: "A relative WORKDIR starts from the one before it. When that is the base image's, an update of the base can move all your files. Begin with an absolute path; later ones may be relative to it.",
  bad: "FROM scratch\nWORKDIR app\n",
  good: "FROM scratch\nWORKDIR /srv\nWORKDIR app\n",
  command({ command, words, span, hasWorkdir }, report) {
    const path = command.kind === "workdir" ? words[0] : undefined;
    if (path !== undefined && !hasWorkdir && !path.startsWith("/"))
      report(span, `Relative workdir ${quote(path)} can have unexpected results if the base image changes`);
  },
};
