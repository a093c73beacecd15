import type { Rule } from "./rule.ts";

export const redundantTargetPlatform: Rule = {
  name: "RedundantTargetPlatform",
  description: "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
  why: "Every stage is made for the target platform unless it says otherwise, so `--platform=$TARGETPLATFORM` says nothing. `--platform=$BUILDPLATFORM` is the one that is useful: it keeps tools of a build stage native.",
  bad: "FROM --platform=$TARGETPLATFORM scratch\nCOPY app /app\n",
  good: "FROM scratch\nCOPY app /app\n",
  from({ stage, platform, global }, report) {
    const variable = "TARGETPLATFORM";
    if (platform?.used.size !== 1 || platform.unset.size !== 0 || !platform.used.has(variable)) return;
    if (platform.value === global.lookup(variable))
      report(stage.span, `Setting platform to predefined ${stage.platform} in FROM is redundant as this is the default behavior`);
  },
};
