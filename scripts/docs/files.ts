import { completionScript } from "../../src/cli/completion/scripts.ts";
import { cliPages } from "./cli.ts";
import { errorPages } from "./errors.ts";
import { manual } from "./manual.ts";
import { rulePages } from "./rules.ts";

/** Patterns of paths that only scripts/docs.ts writes: what it no longer writes goes away. */
export const OWNED = ["docs/cli/*.md", "docs/errors/*.md", "docs/rules/*.md", "docs/exit-codes.md", "man/*.1", "completions/*"];

/** Every generated file: path from the root of the package, and text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ...cliPages(),
    ...errorPages(),
    ...rulePages(),
    ["man/nought.1", manual()],
    ["completions/nought.bash", completionScript("bash")],
    ["completions/_nought", completionScript("zsh")],
    ["completions/nought.fish", completionScript("fish")],
  ]);
}

/** The first line of every generated page. */
export function made(from: string): string {
  return `<!-- Made by scripts/docs.ts from ${from}: change that, then run \`npm run docs\`. -->\n\n`;
}
