import { type Digest, isDigest } from "../oci/digest.ts";
import { Refusal } from "./refusal.ts";

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const SESSION = /^[0-9a-f]{32}$/;

/** What a manifest is asked for by. */
export type ManifestWord = { readonly tag: string } | { readonly digest: Digest };

/** An address of the distribution API, its parts checked against the specification's grammar. */
export type Route =
  | { readonly at: "base" }
  | { readonly at: "catalog" }
  | { readonly at: "tags"; readonly repository: string }
  | { readonly at: "manifest"; readonly repository: string; readonly word: ManifestWord }
  | { readonly at: "blob"; readonly repository: string; readonly digest: Digest }
  | { readonly at: "uploads"; readonly repository: string }
  | { readonly at: "upload"; readonly repository: string; readonly session: string }
  | { readonly at: "referrers"; readonly repository: string; readonly digest: Digest };

/** Whether a text is a repository's name: distribution-spec, "Pulling manifests". Such a name is always safe as a relative path. */
export function isRepository(text: string): boolean {
  return text.length <= 255 && NAME.test(text);
}

/** Whether a text is a tag; such a tag is always safe as a file name. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * The route of a request's path; undefined where the API has none. Only characters of the grammar are known, so no part can lead
 * anywhere; a colon may come percent-encoded, as some clients write it. Throws Refusal: NAME_INVALID, DIGEST_INVALID, TAG_INVALID,
 * BLOB_UPLOAD_UNKNOWN.
 */
export function routeOf(path: string): Route | undefined {
  if (path === "/v2/" || path === "/v2") return { at: "base" };
  if (!path.startsWith("/v2/")) return undefined;
  const parts = path.slice(4).replaceAll(/%3a/gi, ":").split("/");
  if (parts.length === 1 && parts[0] === "_catalog") return { at: "catalog" };
  const [last = "", before = "", third = ""] = [parts.at(-1), parts.at(-2), parts.at(-3)];
  const name = (tail: number): string => {
    const text = parts.slice(0, -tail).join("/");
    if (!isRepository(text)) throw new Refusal("NAME_INVALID", "the name of the repository is not well formed");
    return text;
  };
  if (before === "tags" && last === "list") return { at: "tags", repository: name(2) };
  if (third === "blobs" && before === "uploads") {
    if (last === "") return { at: "uploads", repository: name(3) };
    if (!SESSION.test(last)) throw new Refusal("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
    return { at: "upload", repository: name(3), session: last };
  }
  if (before === "blobs" && last === "uploads") return { at: "uploads", repository: name(2) };
  if (before === "blobs") return { at: "blob", repository: name(2), digest: digestIn(last) };
  if (before === "manifests") {
    if (last.includes(":")) return { at: "manifest", repository: name(2), word: { digest: digestIn(last) } };
    if (!isTag(last)) throw new Refusal("TAG_INVALID", "the tag is not well formed");
    return { at: "manifest", repository: name(2), word: { tag: last } };
  }
  if (before === "referrers") return { at: "referrers", repository: name(2), digest: digestIn(last) };
  return undefined;
}

/** A digest of a request. Throws Refusal DIGEST_INVALID for anything but sha256. */
export function digestIn(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Refusal("DIGEST_INVALID", "a digest is sha256: and 64 lower-case hex digits; other algorithms are not supported");
}
