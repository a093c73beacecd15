/** Most characters of a version: no real one comes near. */
const LONGEST = 512;
const FORM = /^(?:\d{1,9}:[A-Za-z0-9][A-Za-z0-9.+~:-]*|[A-Za-z0-9][A-Za-z0-9.+~-]*)$/;

/**
 * Whether a string is a version that dpkg accepts: `[epoch:]upstream[-revision]` (deb-version(7)), the upstream part starting with
 * a digit or, as old packages have it, a letter.
 */
export function isVersion(text: string): boolean {
  return text.length <= LONGEST && FORM.test(text) && !text.endsWith("-") && !text.endsWith(":");
}

/**
 * The order of two versions: negative where `a` is older, 0 where both mean the same (`1.0` and `0:1.00`, for example). Epochs first, then
 * upstream versions, then revisions; an absent revision equals `0`. deb-version(7), "Sorting algorithm".
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = split(a);
  const right = split(b);
  return (
    compareDigits(left.epoch, right.epoch) || compareParts(left.upstream, right.upstream) || compareParts(left.revision, right.revision)
  );
}

/** The five relations of dependency fields; `<` and `>` are their obsolete spellings of `<=` and `>=`. */
export type VersionRelation = "<<" | "<=" | "=" | ">=" | ">>";

/** Whether `version` stands in the relation to `bound`: `satisfies("1.2", ">=", "1.0")`. */
export function satisfies(version: string, relation: VersionRelation, bound: string): boolean {
  const order = compareVersions(version, bound);
  switch (relation) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}

function split(version: string) {
  const colon = version.indexOf(":");
  const epoch = colon < 0 ? "" : version.slice(0, colon);
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return { epoch, upstream: dash < 0 ? rest : rest.slice(0, dash), revision: dash < 0 ? "" : rest.slice(dash + 1) };
}

/** Alternates between runs of other characters and runs of digits, each of which may be empty. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    for (;;) {
      const left = weight(a, i);
      const right = weight(b, j);
      if (left === 0 && right === 0) break;
      if (left !== right) return left - right;
      i++;
      j++;
    }
    const fromA = i;
    const fromB = j;
    while (isDigit(a, i)) i++;
    while (isDigit(b, j)) j++;
    const order = compareDigits(a.slice(fromA, i), b.slice(fromB, j));
    if (order !== 0) return order;
  }
  return 0;
}

/** Before anything: `~`. Then the end (or a digit, which ends the run), then letters, then everything else. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 0x7e) return -1;
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) ? code : code + 256;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Numbers of any length, without turning them into one. */
function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, "");
  const right = b.replace(/^0+/, "");
  if (left.length !== right.length) return left.length - right.length;
  return left === right ? 0 : left < right ? -1 : 1;
}
