import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { answer, answerJson, type Exchange } from "./exchange.ts";
import type { Holdings } from "./holdings.ts";
import { Refusal } from "./refusal.ts";

/** Entries of one page of a catalogue, and of tags, at most; and bytes of one page of referrers, which must fit a manifest's bound. */
const PAGE = 10_000;
const REFERRERS_BYTES = 2 << 20;

/** GET of a repository's tags: distribution-spec, "Listing Tags". */
export async function listTags(exchange: Exchange, holdings: Holdings, repository: string): Promise<void> {
  const tags = await holdings.tags(repository);
  if (!tags) throw new Refusal("NAME_UNKNOWN", "there is no such repository");
  const { page, link } = pageOf(tags, exchange.query, `/v2/${repository}/tags/list`);
  answerJson(exchange, { name: repository, tags: page }, link);
}

/** GET of all repositories: docker's registry API, "Listing Repositories". */
export async function listCatalog(exchange: Exchange, holdings: Holdings): Promise<void> {
  const { page, link } = pageOf(await holdings.repositories(), exchange.query, "/v2/_catalog");
  answerJson(exchange, { repositories: page }, link);
}

/** GET of what refers to a manifest: distribution-spec, "Listing Referrers", an index, in pages where it is large. */
export async function listReferrers(exchange: Exchange, holdings: Holdings, repository: string, digest: Digest): Promise<void> {
  const type = exchange.query.get("artifactType");
  const last = exchange.query.get("last") ?? "";
  const referrers = await holdings.referrers(repository, digest);
  const all = referrers.filter((one) => one.digest > last && (type === null || type === "" || one.artifactType === type));
  const manifests: Descriptor[] = [];
  let size = 0;
  for (const one of all) {
    size += JSON.stringify(one).length;
    if (size > REFERRERS_BYTES && manifests.length > 0) break;
    manifests.push(one);
  }
  const more = manifests.length < all.length;
  const query = new URLSearchParams({ ...(type ? { artifactType: type } : {}), last: manifests.at(-1)?.digest ?? "" });
  const headers = {
    "content-type": MEDIA.index,
    ...(type ? { "oci-filters-applied": "artifactType" } : {}),
    ...(more ? { link: `</v2/${repository}/referrers/${digest}?${query}>; rel="next"` } : {}),
  };
  answer(exchange, 200, headers, JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
}

function pageOf(all: readonly string[], query: URLSearchParams, path: string): { page: readonly string[]; link: Record<string, string> } {
  const given = query.get("n");
  if (given !== null && !/^\d{1,9}$/.test(given)) throw new Refusal("PAGINATION_NUMBER_INVALID", "n is not a number");
  const last = query.get("last");
  const after = last === null || last === "" ? all : all.filter((one) => one > last);
  const n = Math.min(given === null ? PAGE : Number(given), PAGE);
  const page = after.slice(0, n);
  if (n === 0 || page.length === after.length) return { page, link: {} };
  const next = new URLSearchParams({ n: String(n), last: page.at(-1) as string });
  return { page, link: { link: `<${path}?${next}>; rel="next"` } };
}
