import { Mistake } from "./mistake.ts";
import { trimStart } from "./space.ts";
import type { Directive, SyntaxWarning } from "./syntax.ts";

const NAMES = new Set(["syntax", "escape", "check"]);
const NAME = /^[a-zA-Z][a-zA-Z0-9]*(?=[\t\n\f\r ]*$)/;

/** Reads the parser directives at the top of a file; anything else than a known directive ends them. */
export class Directives {
  readonly list: Directive[] = [];
  escape: "\\" | "`" = "\\";
  #done = false;
  #shebang = false;
  readonly #seen = new Set<string>();

  /**
   * Looks at the next line of the file, `line` counting from 1. Throws Mistake for a doubled directive and a bad escape
   * character. As docker does, `syntax` and `check` hold only at the very start of a line, and `escape` not below a
   * shebang line.
   */
  look(text: string, line: number): void {
    if (this.#done) return;
    if (line === 1 && text.startsWith("#!")) {
      this.#shebang = true;
      return;
    }
    const trimmed = trimStart(text);
    const [name, value] = pair(trimmed.startsWith("#") ? trimStart(trimmed.slice(1)) : "");
    if (!NAMES.has(name) || value === "") {
      this.#done = true;
      return;
    }
    if (this.#seen.has(name)) throw new Mistake(`only one ${name} parser directive can be used`);
    this.#seen.add(name);
    if (name === "escape") {
      if (this.#shebang) return;
      if (value !== "\\" && value !== "`") throw new Mistake(`invalid escape token '${value}' does not match \` or \\`);
      this.escape = value;
    } else if (trimmed.length !== text.length) return;
    this.list.push({ name, value, line });
  }

  /** No directive can follow. */
  end(): void {
    this.#done = true;
  }
}

/** Name in lower case and value of `name = value`; two empty strings where the comment has another form. */
function pair(comment: string): readonly [string, string] {
  const equals = comment.indexOf("=");
  const name = equals < 0 ? null : NAME.exec(comment.slice(0, equals));
  if (!name) return ["", ""];
  const value = comment.slice(equals + 1);
  let from = 0;
  let to = value.length;
  // The white space of Go's \s, of which one character stays as the value where there is nothing else.
  while (from < to - 1 && "\t\n\f\r ".includes(value[from] as string)) from++;
  while (to > from + 1 && "\t\n\f\r ".includes(value[to - 1] as string)) to--;
  return [name[0].toLowerCase(), value.slice(from, to)];
}

/** A frontend is never fetched; this warns where the file asks for one whose language may differ from ours. */
export function frontendWarning(directive: Directive): SyntaxWarning | undefined {
  const image = directive.value.split(" ")[0] as string;
  const found = /^(?:docker\.io\/)?docker\/dockerfile(-upstream)?(?::([^@]*))?(?:@sha256:[0-9a-f]{64})?$/.exec(image);
  const tag = found?.[2] ?? "latest";
  const known = found !== null && (found[1] !== undefined || /^(?:1(?:[.-].*)?|latest|labs|master.*|experimental)$/.test(tag));
  if (known) return undefined;
  const what = found ? `version ${tag} of the Dockerfile syntax` : `the frontend ${image}`;
  return {
    message: `# syntax=${image} is not fetched: nought reads the file itself, as docker/dockerfile:1.26, and does not know ${what}`,
    line: directive.line,
  };
}
