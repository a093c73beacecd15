import { CODES } from "../../kit/codes.ts";
import { type Failure, Failures } from "../../kit/error.ts";
import { printableLine } from "../../kit/printable.ts";

const RULE = "--------------------";

/**
 * A failure as people see it, in BuildKit's look: the place in the file first, then `ERROR:` and the message, last the code and the way
 * out. Several failures follow one another. Wrong usage has its own form and no `ERROR:`.
 */
export function renderFailure(failure: Failure): string {
  if (failure instanceof Failures) return failure.all.map(renderOne).join("");
  return renderOne(failure);
}

function renderOne(failure: Failure): string {
  const message = safe(failure.message);
  if (failure.code === "USAGE") return `${message}\n${failure.hint ? `${safe(failure.hint)}\n` : ""}`;
  let out = "";
  const bare = failure.excerpt?.replace(/\n$/, "");
  if (bare?.includes(RULE)) out += `${safe(bare)}\n`;
  else if (failure.source && bare) {
    out += `${safe(failure.source.file)}:${failure.source.line}\n${RULE}\n${safe(bare)}\n${RULE}\n`;
  } else if (failure.source) {
    out += `${safe(failure.source.file)}:${failure.source.line}\n`;
  }
  out += `ERROR: ${message}\n`;
  return `${out}${failure.code}: ${safe(failure.hint ?? CODES[failure.code].cure)}\n`;
}

/** Every line made harmless for a terminal, whoever wrote the message. */
function safe(text: string): string {
  return text.split("\n").map(printableLine).join("\n");
}
