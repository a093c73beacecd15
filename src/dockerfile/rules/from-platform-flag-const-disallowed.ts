import { parsePlatform } from "../../oci/platform.ts";
import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

export const fromPlatformFlagConstDisallowed: Rule = {
  name: "FromPlatformFlagConstDisallowed",
  description: "FROM --platform flag should not use a constant value",
  why: "A fixed platform makes every build give an image for that one, whatever `--platform` asks for. Leave it to the caller. A stage whose name tells the platform (`AS build-arm64`) is taken to mean it.",
  bad: "FROM --platform=linux/amd64 scratch\nCOPY app /app\n",
  good: "FROM --platform=linux/amd64 scratch AS app-amd64\nCOPY app /app\n",
  from({ stage, platform }, report) {
    if (!platform || platform.used.size > 0 || platform.unset.size > 0) return;
    try {
      const { os, architecture } = parsePlatform(platform.value);
      const name = stage.name ?? "";
      if (name.includes(os) || name.includes(architecture)) return;
    } catch {
      return;
    }
    report(stage.span, `FROM --platform flag should not use constant value ${quote(platform.value)}`);
  },
};
