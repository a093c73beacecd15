import { Mistake } from "../mistake.ts";

/** True for a word that expansion leaves as it is, so that its value can be judged already. */
export function isPlain(word: string): boolean {
  return !/[$'"\\`]/.test(word);
}

/** Throws Mistake where a value without variables has a problem; others are judged after expansion. */
export function judge(word: string | undefined, problem: (value: string) => string | undefined, hint?: string): void {
  if (word === undefined || !isPlain(word)) return;
  const found = problem(word);
  if (found !== undefined) throw new Mistake(found, hint);
}

/** The largest id that container runtimes take. */
const MOST_ID = 2_147_483_647;

/** What is wrong with the ids in a value like `1000:1000`, or undefined. Names are looked up when the image is built. */
export function ownerProblem(value: string): string | undefined {
  for (const id of value.split(":")) {
    if (/^[-+]?\d+$/.test(id) && !(Number(id) >= 0 && Number(id) <= MOST_ID)) {
      return `invalid user or group id ${id}: uids and gids must be in range 0-${MOST_ID}`;
    }
  }
  return undefined;
}

const CLAUSE = /^[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+$/;

/** What is wrong with the value of `--chmod`, or undefined: octal up to 07777, or clauses like `u=rwX,go=rX`. */
export function modeProblem(value: string): string | undefined {
  if (/^[0-9]+$/.test(value)) {
    if (/^[0-7]{1,12}$/.test(value) && Number.parseInt(value, 8) <= 0o7777) return undefined;
  } else if (value.length <= 256 && value.split(",").every((clause) => CLAUSE.test(clause))) return undefined;
  return `invalid chmod parameter: '${value}'. it should be octal string and between 0 and 07777, or like u=rwX,go=rX`;
}

const HEX_LENGTH: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha384", 96],
  ["sha512", 128],
]);

/** What is wrong with the value of `--checksum`, or undefined: a digest, or a git commit's hash. */
export function checksumProblem(value: string): string | undefined {
  if (/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(value)) return undefined;
  const colon = value.indexOf(":");
  const [algorithm, hex] = [value.slice(0, Math.max(0, colon)), value.slice(colon + 1)];
  if (!/^[a-z0-9]+(?:[.+_-][a-z0-9]+)*$/.test(algorithm)) return `invalid checksum digest format: ${value}`;
  const length = HEX_LENGTH.get(algorithm);
  if (length === undefined) return `unsupported digest algorithm: ${algorithm}`;
  if (hex.length !== length) return `invalid checksum digest length: ${value}`;
  return /^[0-9a-f]+$/.test(hex) ? undefined : `invalid checksum digest format: ${value}`;
}
