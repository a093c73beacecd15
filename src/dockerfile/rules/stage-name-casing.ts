import type { Rule } from "./rule.ts";

export const stageNameCasing: Rule = {
  name: "StageNameCasing",
  description: "Stage names should be lowercase",
  why: "Stage names are compared without regard to case, so `Build` and `build` are one stage. Writing all of them in lower case keeps that from surprising anyone, and keeps names apart from instructions.",
  bad: "FROM scratch AS Files\nCOPY app /app\n",
  good: "FROM scratch AS files\nCOPY app /app\n",
  instruction({ name, args, span }, report) {
    const stage = name === "from" ? args[2] : undefined;
    if (stage !== undefined && stage !== stage.toLowerCase()) report(span, `Stage name '${stage}' should be lowercase`);
  },
};
