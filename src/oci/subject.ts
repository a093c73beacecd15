import type { Descriptor } from "./descriptor.ts";
import { type Digest, isDigest } from "./digest.ts";

/** A manifest or index with its bytes. */
export interface HeldDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** What a document refers to, and how it is entered in the list of referrers there. */
export interface Referring {
  readonly subject: Digest;
  readonly entry: Descriptor;
}

/**
 * What a manifest or index says it refers to as its subject. Undefined where it has none. Lenient: the rest of the document is judged
 * elsewhere. Distribution spec 1.1, "Listing Referrers": its type is its own, else that of its config.
 */
export function subjectOf({ descriptor, bytes }: HeldDocument): Referring | undefined {
  let document: Record<string, unknown> | null;
  try {
    document = JSON.parse(Buffer.from(bytes).toString("utf8")) as typeof document;
  } catch {
    return undefined;
  }
  const subject = (document?.["subject"] as { digest?: unknown } | null | undefined)?.digest;
  if (!isDigest(subject)) return undefined;
  const config = (document?.["config"] as { mediaType?: unknown } | null | undefined)?.mediaType;
  const artifactType = document?.["artifactType"] ?? config;
  const annotations = stringMap(document?.["annotations"]);
  const { mediaType, digest, size } = descriptor;
  const own = document?.["mediaType"];
  return {
    subject,
    entry: {
      mediaType: typeof own === "string" ? own : mediaType,
      digest,
      size,
      ...(typeof artifactType === "string" ? { artifactType } : {}),
      ...(annotations ? { annotations } : {}),
    },
  };
}

/** The pairs of an object that are strings; undefined where there are none. */
export function stringMap(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const pairs = Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string");
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
}
