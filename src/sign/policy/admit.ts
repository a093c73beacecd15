import { readFileSync, statSync } from "node:fs";
import { parseIndex } from "../../image/documents.ts";
import { chooseManifest } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isIndexType } from "../../oci/media-type.ts";
import type { Platform } from "../../oci/platform.ts";
import { formatReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import { readWhole } from "../../place/documents.ts";
import type { Repository } from "../../registry/face.ts";
import type { Task } from "../../task/task.ts";
import { type PublicKey, readPublicKey } from "../keys/public-key.ts";
import { verifySignatures } from "../verify.ts";
import { acceptsName } from "./identity.ts";
import type { KeySource, Policy, Requirement } from "./policy.ts";
import { requirementsFor } from "./scope.ts";

/** An image of a registry that somebody wants to use. */
export interface Wanted {
  readonly place: Repository;
  readonly name: Reference;
  /** What the name stands for now. */
  readonly root: Descriptor;
  /** Of an index only what this platform needs is used; all of it where there is no platform. */
  readonly platform: Platform | undefined;
}

/** Reasons that are told; there may be many signatures by others. */
const REASONS = 10;

/**
 * Refuses an image that a policy does not allow. Documents and signatures are read for it, no layer. An index is good when it is signed
 * itself, or when everything of it that is used is. `where` names the policy in messages. Throws POLICY; AUTH and NETWORK
 * where the registry does not say which signatures there are.
 */
export async function admit(policy: Policy, where: string, wanted: Wanted, task: Task): Promise<void> {
  const { requirements, scope } = requirementsFor(policy, wanted.name);
  for (const [at, requirement] of requirements.entries()) {
    const reasons = await reasonsAgainst(requirement, wanted, task);
    if (reasons === undefined) continue;
    const { name, root } = wanted;
    const shown = formatReference(withDefaultTag(name));
    const rule = `rule ${at + 1}, ${requirement.type}`;
    const more = reasons.length > REASONS ? [...reasons.slice(0, REASONS), `and ${reasons.length - REASONS} more`] : reasons;
    throw new Failure("POLICY", [`${shown} is not allowed by ${where}: scope ${printable(scope)}, ${rule}`, ...more].join("\n  - "), {
      hint:
        requirement.type === "reject"
          ? "Ask whoever keeps this policy; --policy FILE or NOUGHT_POLICY names another."
          : `\`nought verify --key FILE ${formatReference({ registry: name.registry, repository: name.repository, digest: root.digest })}\` shows what is signed; --policy FILE or NOUGHT_POLICY names another policy.`,
    });
  }
}

/** Why a requirement is not met; undefined where it is. */
async function reasonsAgainst(requirement: Requirement, wanted: Wanted, task: Task): Promise<readonly string[] | undefined> {
  if (requirement.type === "insecureAcceptAnything") return undefined;
  if (requirement.type === "reject") return [];
  if ("unsupported" in requirement) return [requirement.unsupported];
  if (!("keys" in requirement)) return [];
  const keys = requirement.keys.map(readKey);
  const { root } = wanted;
  const against = async (what: Descriptor): Promise<readonly string[] | undefined> => {
    const { good, refused } = await verifySignatures(wanted.place, what.digest, keys, {}, task);
    const reasons: string[] = [];
    for (const { reference } of good) {
      if (reference !== undefined && acceptsName(requirement.identity, wanted.name, reference)) return undefined;
      const signed = reference === undefined ? "no name at all" : printable(reference.slice(0, 300));
      // Signatures of cosign name a repository alone.
      const near = reference !== undefined && acceptsName({ type: "matchRepository" }, wanted.name, reference);
      const way = near ? ' ("signedIdentity": {"type": "matchRepository"} would)' : "";
      reasons.push(`a signature for ${signed}, which ${requirement.identity.type} does not accept for this image${way}`);
    }
    return [...reasons, ...refused];
  };
  const reasons = await against(root);
  if (reasons === undefined) return undefined;
  if (!isIndexType(root.mediaType)) return reasons.length > 0 ? reasons : [`${root.digest} has no signature`];
  const all = [...reasons];
  for (const part of await partsOf(wanted, root, 0)) {
    const more = await against(part);
    if (more === undefined) continue;
    return [...all, ...more, ...(all.length + more.length === 0 ? [`neither ${root.digest} nor ${part.digest} has a signature`] : [])];
  }
  return undefined;
}

/** The manifests of an index that are used. */
async function partsOf({ place, platform }: Wanted, index: Descriptor, depth: number): Promise<readonly Descriptor[]> {
  if (depth > LIMITS.indexDepth) throw new Failure("LIMIT", `${index.digest}: indexes are nested deeper than ${LIMITS.indexDepth}`);
  const { manifests } = parseIndex(await readWhole(place, index), index.digest, index.mediaType);
  const used = platform ? [chooseManifest(manifests, platform, index)] : manifests;
  const found: Descriptor[] = [];
  for (const { mediaType, digest, size } of used) {
    const one = { mediaType, digest, size };
    found.push(...(isIndexType(mediaType) ? await partsOf({ place, platform } as Wanted, one, depth + 1) : [one]));
  }
  // An index of nothing would otherwise be all signed.
  return found.length > 0 ? found : [index];
}

/** A key that cannot be used lets nothing in. */
function readKey(source: KeySource): PublicKey {
  const where = "pem" in source ? "a key inside the policy" : `key ${printable(source.path)} of the policy`;
  try {
    if ("pem" in source) return readPublicKey(source.pem, where);
    if (statSync(source.path).size > LIMITS.keyBytes) throw new Failure("POLICY", `${where} has more than ${LIMITS.keyBytes} bytes`);
    return readPublicKey(readFileSync(source.path, "utf8"), where);
  } catch (cause) {
    if (cause instanceof Failure) throw new Failure("POLICY", cause.message, { cause, ...(cause.hint ? { hint: cause.hint } : {}) });
    throw new Failure("POLICY", `${where} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? "no file"}`, { cause });
  }
}
