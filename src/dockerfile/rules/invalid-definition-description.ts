import type { Rule } from "./rule.ts";

/** Parser directives are comments to nobody. */
const DIRECTIVE = /^(?:syntax|escape|check)\s*=/i;

export const invalidDefinitionDescription: Rule = {
  name: "InvalidDefinitionDescription",
  description:
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
  experimental: true,
  why: "`--call outline` and `--call targets` describe arguments and stages by the comment above them, if that begins with the name. A comment that does not is shown nowhere. The rule is off by default; turn it on with `# check=experimental=InvalidDefinitionDescription`.",
  bad: "# check=experimental=all\n# which version\nARG VERSION=1\nFROM scratch\nCOPY app /app\n",
  good: "# check=experimental=all\n# VERSION is what the program says it is\nARG VERSION=1\nFROM scratch\nCOPY app /app\n",
  instruction({ name, args, comments, span }, report) {
    const names = name === "arg" ? args.map((word) => word.split("=")[0] ?? "") : name === "from" && args[2] ? [args[2].toLowerCase()] : [];
    const comment = comments.findLast((line) => line !== "" && !DIRECTIVE.test(line));
    if (comment === undefined || names.length === 0 || names.includes(comment.split(" ")[0] ?? "")) return;
    const example = names.length > 1 ? "<arg_key>" : names[0];
    report(span, `Comment for ${name.toUpperCase()} should follow the format: \`# ${example} <description>\``);
  },
};
