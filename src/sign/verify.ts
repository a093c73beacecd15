import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { Repository } from "../registry/face.ts";
import type { Task } from "../task/task.ts";
import { type Candidate, findCandidates, type Kind } from "./find.ts";
import type { PublicKey } from "./keys/public-key.ts";
import { type Form, SIGN_PREDICATE } from "./media.ts";
import { openPayload, openStatement, type Signed, type Stated } from "./open.ts";

/** A signature of an image that holds. */
export interface Verified {
  readonly form: Form;
  readonly key: PublicKey;
  readonly logged: boolean;
  /** The name that was signed with the digest; undefined where the signer left it out, as cosign does in bundles. */
  readonly reference: string | undefined;
  /** What the signer said beside it. */
  readonly annotations: Readonly<Record<string, unknown>> | null;
}

/** An attestation of an image that holds. */
export interface VerifiedAttestation extends Stated {
  readonly form: Form;
  readonly key: PublicKey;
  readonly logged: boolean;
}

/** What became of all that a repository has for an image: what holds, and for the rest why it does not. */
export interface Outcome<T> {
  readonly good: readonly T[];
  /** One sentence each, printable. */
  readonly refused: readonly string[];
}

/** Annotations that must have been signed along. */
export type Wanted = Readonly<Record<string, string>>;

/**
 * Looks at every signature that a repository has for a manifest. One holds that was made with one of the keys over this very digest, and
 * over the annotations wanted. Throws LIMIT, and AUTH, NETWORK, INTERRUPTED where the registry cannot be asked.
 */
export function verifySignatures(
  place: Repository,
  subject: Digest,
  keys: readonly PublicKey[],
  wanted: Wanted,
  task: Task,
): Promise<Outcome<Verified>> {
  return lookAtEach(place, subject, "signature", task, async (candidate) => {
    const { said, ...rest } = await openSignature(place, candidate, keys);
    checkSubject(candidate, said.digest === subject, said.digest);
    checkAnnotations(candidate, said.annotations ?? {}, wanted);
    return { form: candidate.form, ...rest, reference: said.reference, annotations: said.annotations };
  });
}

/** The same for attestations, of one predicate type or any. */
export function verifyAttestations(
  place: Repository,
  subject: Digest,
  keys: readonly PublicKey[],
  predicateType: string | undefined,
  task: Task,
): Promise<Outcome<VerifiedAttestation>> {
  return lookAtEach(place, subject, "attestation", task, async (candidate) => {
    const { said, ...rest } = await openStatement(place, candidate, keys, "attestation");
    const { statement } = said;
    if (statement.predicateType === SIGN_PREDICATE) return undefined;
    if (predicateType !== undefined && statement.predicateType !== predicateType)
      throw refuse(candidate, `it is of the type ${printable(statement.predicateType.slice(0, 200))}`);
    const subjects = statement.subject.map((one) => one.digest["sha256"]);
    checkSubject(candidate, subjects.includes(hexOf(subject)), subjects[0]);
    return { form: candidate.form, ...rest, ...said };
  });
}

interface Said {
  readonly digest: string | undefined;
  readonly reference: string | undefined;
  readonly annotations: Readonly<Record<string, unknown>> | null;
}

/** A signature in either form, its meaning in the same words. */
async function openSignature(place: Repository, candidate: Candidate, keys: readonly PublicKey[]): Promise<Signed<Said>> {
  if (candidate.form === "classic") {
    const { said, ...rest } = await openPayload(place, candidate, keys);
    return { ...rest, said: { digest: said.digest, reference: said.reference, annotations: said.optional } };
  }
  const { said, ...rest } = await openStatement(place, candidate, keys, "signature");
  const { predicateType, subject } = said.statement;
  if (predicateType !== SIGN_PREDICATE) throw refuse(candidate, "a statement about an image, but no signature of it");
  const [one, ...more] = subject;
  if (!one || more.length > 0) throw refuse(candidate, `it signs ${subject.length} images at once`);
  const sha256 = one.digest["sha256"];
  const reference = one.name === "_" || one.name === "" ? undefined : one.name;
  return { ...rest, said: { digest: sha256 && `sha256:${sha256}`, reference, annotations: one.annotations ?? {} } };
}

async function lookAtEach<T extends { readonly form: Form }>(
  place: Repository,
  subject: Digest,
  kind: Kind,
  task: Task,
  look: (candidate: Candidate) => Promise<T | undefined>,
): Promise<Outcome<T>> {
  const good: T[] = [];
  const refused: string[] = [];
  const seen = new Set<string>();
  for (const candidate of await findCandidates(place, subject, kind, task)) {
    // The same signature entered twice counts once.
    const { digest, annotations } = candidate.descriptor;
    const same = JSON.stringify([candidate.form, digest, annotations]);
    if (seen.has(same)) continue;
    seen.add(same);
    try {
      const found = await look(candidate);
      if (found) good.push(found);
    } catch (error) {
      if (!(error instanceof Failure) || !["SIGNATURE", "MANIFEST", "LIMIT", "DIGEST", "NOT_FOUND"].includes(error.code)) throw error;
      refused.push(error.message);
    }
  }
  return { good, refused };
}

function checkSubject(candidate: Candidate, right: boolean, other: string | undefined): void {
  if (!right) throw refuse(candidate, `it is about another image, ${printable((other ?? "without a digest").slice(0, 80))}`);
}

function checkAnnotations(candidate: Candidate, signed: Readonly<Record<string, unknown>>, wanted: Wanted): void {
  for (const [name, value] of Object.entries(wanted)) {
    const has = Object.hasOwn(signed, name) ? signed[name] : undefined;
    if (has === value) continue;
    const shown = has === undefined ? "is missing" : `is ${printable(JSON.stringify(has).slice(0, 200))}`;
    throw refuse(candidate, `the annotation ${printable(name)} ${shown}, not ${JSON.stringify(value)}`);
  }
}

function refuse({ where }: Candidate, why: string): Failure {
  return new Failure("SIGNATURE", `${where}: ${why}`);
}
