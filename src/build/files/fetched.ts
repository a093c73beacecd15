import { Failure } from "../../kit/error.ts";
import { type Digest, hexOf, parseDigest } from "../../oci/digest.ts";
import type { FileEntry } from "../../tree/entry.ts";
import { hostTree } from "../../tree/host.ts";
import { toPath } from "../../tree/path.ts";
import type { FileAction } from "../graph.ts";
import type { OpenInput } from "../input.ts";
import { keyOf } from "../key.ts";
import type { Workshop } from "../workshop.ts";
import { type Pick, select } from "./select.ts";

export interface FetchedFiles {
  /** Digest of the bytes, or of the commit: the same identity is the same files. */
  readonly identity: Digest;
  readonly picks: readonly Pick[];
  readonly input: OpenInput;
}

/** Fetches what `ADD https://…` or `ADD git@…` names. The code that speaks HTTP is loaded here and not before. */
export async function fetched(action: FileAction & { do: "fetch" | "git" }, shop: Workshop): Promise<FetchedFiles> {
  return action.do === "fetch" ? file(action, shop) : repository(action, shop);
}

/** One file, kept as a blob under its digest. With --checksum, a blob that is there already is not fetched again. */
async function file(action: FileAction & { do: "fetch" }, shop: Workshop): Promise<FetchedFiles> {
  const { fetchUrl, nameFromUrl } = await import("../../net/fetch.ts");
  const { store, task } = shop;
  const wanted = action.checksum === undefined ? undefined : parseDigest(action.checksum, "--checksum");
  const memo = keyOf("fetch/1", action.url);
  const before = shop.recall(memo)?.value as { digest: Digest; size: number; mtime: number; etag?: string } | undefined;
  // has() and not sizeOf(): from here on the blob is in use, and a prune beside spares it.
  let got = before !== undefined && (await store.has(before.digest)) ? before : undefined;
  if (wanted !== undefined && got?.digest !== wanted) got = undefined;
  if (got === undefined || wanted === undefined) {
    const writer = store.writer();
    try {
      const answer = await fetchUrl(
        action.url,
        writer,
        { ...(wanted ? { sha256: hexOf(wanted) } : {}), ...(got?.etag !== undefined ? { etag: got.etag } : {}) },
        task,
      );
      if (answer.notModified && got !== undefined) writer.abort();
      else {
        const digest = parseDigest(`sha256:${answer.sha256}`);
        await writer.commit(digest, answer.size);
        got = { digest, size: answer.size, mtime: answer.lastModified ?? 0, ...(answer.etag === undefined ? {} : { etag: answer.etag }) };
        shop.remember({ key: memo, value: got });
      }
    } catch (error) {
      writer.abort();
      throw error;
    }
  }
  if (got === undefined) throw new Failure("NETWORK", "the server says that a file has not changed which was never fetched");
  shop.saw?.({ url: action.url, digest: got.digest });
  const name = nameFromUrl(action.url);
  const entry: FileEntry = {
    kind: "file",
    path: toPath(name),
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtime: got.mtime,
    size: got.size,
    content: { in: "layer", diffId: got.digest, offset: 0 },
    digest: got.digest,
  };
  const picks = [{ name, top: entry, below: [] }];
  return { identity: keyOf("fetched/1", got.digest, got.mtime, name), picks, input: { origin: "image", tree: noTree } };
}

/** A commit, checked out into a private folder until the build is over. */
async function repository(action: FileAction & { do: "git" }, shop: Workshop): Promise<FetchedFiles> {
  const [{ fetchGit }, { parseGitUrl }] = await Promise.all([import("../../net/git.ts"), import("../../net/git-url.ts")]);
  const source = parseGitUrl(action.url, "add");
  if (source === undefined) throw new Failure("PLAN", "not a git address");
  const wanted = action.checksum ?? source.checksum;
  const checkout = await fetchGit(
    { ...source, ...(wanted === undefined ? {} : { checksum: wanted }) },
    await shop.tmp(),
    { keepGitDir: action.keepGitDir },
    shop.task,
  );
  shop.later(async () => checkout[Symbol.asyncDispose]());
  shop.saw?.({ url: action.url, commit: checkout.commit });
  const tree = hostTree(checkout.dir);
  const picks = select(tree, { pattern: "/", parents: false, excludes: action.excludes });
  const identity = keyOf("git/1", checkout.commit, source.subdir ?? "", action.keepGitDir ? "git-dir" : "");
  return { identity, picks, input: { origin: "image", tree: async () => tree } };
}

function noTree(): never {
  throw new Error("internal: a fetched file has no tree");
}
