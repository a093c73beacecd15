import { RULES } from "../../src/dockerfile/rules/all.ts";
import { type Rule, ruleUrl } from "../../src/dockerfile/rules/rule.ts";
import { made } from "./files.ts";

/** docs/rules/: a page for each build check, and an index. */
export function rulePages(): ReadonlyMap<string, string> {
  const sorted = RULES.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return new Map([["docs/rules/README.md", index(sorted)], ...sorted.map((rule) => [`docs/rules/${rule.name}.md`, page(rule)] as const)]);
}

function page(rule: Rule): string {
  const url = ruleUrl(rule);
  const block = (text: string): string => `\`\`\`dockerfile\n${text}\`\`\`\n`;
  const ignore = rule.ignore === undefined ? "" : `With \`${rule.ignore.trim()}\` in \`.dockerignore\`:\n\n`;
  const off = rule.experimental
    ? `This check is experimental: \`# check=experimental=${rule.name}\` at the top of the file turns it on.`
    : `\`# check=skip=${rule.name}\` at the top of the file turns it off.`;
  return [
    `${made(`src/dockerfile/rules/`)}# ${rule.name}\n`,
    `${rule.description.replace(/\.$/, "")}.\n`,
    `${rule.why}\n`,
    ...(rule.bad === "" ? [] : [`## What it finds\n`, `${ignore}${block(rule.bad)}`, `## What it likes\n`, `${ignore}${block(rule.good)}`]),
    `## On and off\n`,
    `${off}\n`,
    ...(url === "" ? [] : [`Docker's page: <${url}>\n`]),
  ].join("\n");
}

function index(rules: readonly Rule[]): string {
  const rows = rules.map(
    (rule) => `| [${rule.name}](${rule.name}.md) | ${rule.description}${rule.experimental ? " (experimental)" : ""} |`,
  );
  return [
    `${made("src/dockerfile/rules/")}# Build checks\n`,
    "Every build runs these checks over its Dockerfile and reports findings as warnings; `nought build --check` runs them alone, over all stages.",
    "Names, wording and meaning are those of docker's build checks.\n",
    "A file says at its top, before the first instruction, which it does not want and whether findings are errors:\n",
    "```dockerfile\n# check=skip=JSONArgsRecommended,StageNameCasing;error=true\n```\n",
    "`skip=all` turns all of them off, `experimental=all` turns the experimental ones on, `--build-arg BUILDKIT_DOCKERFILE_CHECK=…` stands instead of the line in the file.\n",
    `| check | what it says |\n| --- | --- |\n${rows.join("\n")}\n`,
  ].join("\n");
}
