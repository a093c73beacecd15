import { formatPlatform } from "../../oci/platform.ts";
import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

export const invalidBaseImagePlatform: Rule = {
  name: "InvalidBaseImagePlatform",
  description: "Base image platform does not match expected target platform",
  unlisted: true,
  why: "A base that exists for one platform only is taken even when another is asked for, and its programs will not run there. Choose a base for the platform, or set `FROM --platform=` on purpose.",
  bad: "",
  good: "",
  from({ stage, base, actual, expected }, report) {
    if (!actual || !expected || (actual.os === expected.os && actual.architecture === expected.architecture)) return;
    const [has, wants] = [actual, expected].map((platform) => quote(formatPlatform(platform)));
    report(stage.span, `Base image ${base.value} was pulled with platform ${has}, expected ${wants} for current build`);
  },
};
