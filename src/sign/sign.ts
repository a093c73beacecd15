import { encodeStatement, type Statement, statementFor, subjectFor } from "../attest/statement.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { formatReference } from "../oci/reference.ts";
import type { Repository } from "../registry/face.ts";
import type { Task } from "../task/task.ts";
import { attachBundle, attachClassic } from "./attach.ts";
import { encodeBundle } from "./bundle.ts";
import { envelopeJson, sealEnvelope } from "./envelope.ts";
import type { PrivateKey } from "./keys/private-key.ts";
import { CLASSIC_PREDICATE, DSSE_ENVELOPE, type Form, SIGN_PREDICATE, SIGNATURE, SIMPLE_SIGNING } from "./media.ts";
import { encodePayload } from "./payload.ts";
import { verifySignatures } from "./verify.ts";

/** What is signed along, and how. */
export interface SignRequest {
  readonly key: PrivateKey;
  readonly annotations: Readonly<Record<string, string>>;
  readonly forms: readonly Form[];
  /** The name that the signature is for; the repository without tag where it is not given. */
  readonly identity?: string;
}

/**
 * Signs a manifest or index of a repository by its digest. What this key has said already, in the same words and form, is not said again.
 * Gives the forms that were written. Throws AUTH, NETWORK, LIMIT, MANIFEST.
 */
export async function signImage(place: Repository, subject: Descriptor, request: SignRequest, task: Task): Promise<readonly Form[]> {
  const { key, annotations, identity = formatReference(place.name) } = request;
  const { good } = await verifySignatures(place, subject.digest, [key.publicKey], annotations, task);
  const same = (signed: Readonly<Record<string, unknown>> | null) => Object.keys(signed ?? {}).length === Object.keys(annotations).length;
  const said = new Set(good.filter((one) => one.reference === identity && same(one.annotations)).map((one) => one.form));
  const forms = request.forms.filter((form) => !said.has(form));
  for (const form of forms) {
    if (form === "classic") {
      const bytes = encodePayload(identity, subject.digest, annotations);
      const signature = Buffer.from(key.sign(bytes)).toString("base64");
      await attachClassic(place, subject, "signature", { mediaType: SIMPLE_SIGNING, bytes, annotations: { [SIGNATURE]: signature } }, task);
    } else {
      const about = { ...subjectFor(subject.digest, identity), ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
      await attestImage(place, subject, statementFor([about], SIGN_PREDICATE, {}), { key, forms: [form] }, task);
    }
  }
  return forms;
}

/** Signs a statement about a manifest or index and attaches it. Throws AUTH, NETWORK, LIMIT, MANIFEST. */
export async function attestImage(
  place: Repository,
  subject: Descriptor,
  statement: Statement,
  { key, forms }: Pick<SignRequest, "key" | "forms">,
  task: Task,
): Promise<void> {
  const envelope = sealEnvelope(encodeStatement(statement), key.sign);
  const { predicateType } = statement;
  for (const form of forms) {
    if (form === "bundle") {
      await attachBundle(place, subject, encodeBundle(envelope, key.publicKey.hint), predicateType, new Date());
      continue;
    }
    const bytes = Buffer.from(JSON.stringify(envelopeJson(envelope)));
    // cosign expects the annotation of signatures here too, without one.
    const annotations = { [SIGNATURE]: "", [CLASSIC_PREDICATE]: predicateType };
    await attachClassic(place, subject, "attestation", { mediaType: DSSE_ENVELOPE, bytes, annotations }, task);
  }
}
