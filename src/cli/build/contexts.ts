import { closeSync, openSync, readSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { lookAt } from "../../build/context.ts";
import type { ContextSource, NamedContext } from "../../build/request.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { orStorageFailure } from "../../kit/storage-failure.ts";
import { isDigest } from "../../oci/digest.ts";
import { parseReference, withDefaultTag } from "../../oci/reference.ts";
import { looksLikeTar } from "./stdin.ts";

/** A remote file that may be an archive or a Dockerfile; whoever sees it fetches it. */
export type ContextWord = ContextSource | { readonly kind: "stdin" } | { readonly kind: "url"; readonly url: string };

/**
 * Reads PATH | URL | - of `nought build`: a folder, a tar archive on disk, a git address, a URL, or standard input. Kaniko's `dir://` and
 * `tar://` are understood. Throws NOT_FOUND, CONTEXT, USAGE, UNSUPPORTED.
 */
export async function readContext(word: string): Promise<ContextWord> {
  if (word === "-" || word === "tar://stdin") return { kind: "stdin" };
  if (word === "") throw new Failure("USAGE", "the build context is empty: give a folder, a tar archive, a git address or -");
  const path = word.startsWith("dir://") ? word.slice(6) : word.startsWith("tar://") ? word.slice(6) : word;
  const local = path === word && /^[a-z0-9+.-]+:\/\/|^[A-Za-z0-9_-]+@[^/]+:|^github\.com\//i.test(word) ? undefined : localContext(path);
  if (local) return local;
  if (/^(?:gs|s3|https?:\/\/[^/]*\.blob\.core\.windows\.net).*$/i.test(word) && !word.startsWith("http")) {
    throw new Failure("UNSUPPORTED", `build context ${printable(word)}: contexts from a storage service are not supported`, {
      hint: "Fetch it first, then build from the file.",
    });
  }
  const { parseGitUrl } = await import("../../net/git-url.ts");
  if (parseGitUrl(word, "context")) return { kind: "git", url: word };
  if (/^https?:\/\//i.test(word)) return { kind: "url", url: word };
  throw notFound(word);
}

function localContext(path: string): ContextSource | undefined {
  const facts = lookAt(path, `unable to prepare context: "${printable(path)}"`);
  if (!facts) throw notFound(path);
  if (facts.isDirectory()) return { kind: "dir", path: resolve(path) };
  if (facts.isFile() && looksLikeTar(orStorageFailure("could not read", path, () => headOf(path))))
    return { kind: "tar", path: resolve(path) };
  throw new Failure("CONTEXT", `unable to prepare context: ${printable(path)} is neither a folder nor a tar archive`, {
    hint: "Give the folder that holds the files; name another Dockerfile with -f.",
  });
}

function headOf(path: string): Buffer {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(512);
    return head.subarray(0, readSync(fd, head, 0, 512, 0));
  } finally {
    closeSync(fd);
  }
}

function notFound(path: string): Failure {
  return new Failure("NOT_FOUND", `unable to prepare context: path "${printable(path)}" not found`);
}

/** Reads one `--build-context NAME=VALUE`. Throws USAGE, NOT_FOUND, REFERENCE, RESERVED, UNSUPPORTED. */
export async function readNamedContext(text: string): Promise<readonly [string, NamedContext]> {
  const at = text.indexOf("=");
  const name = text.slice(0, at);
  const value = text.slice(at + 1);
  if (at < 0) throw new Failure("USAGE", `invalid context value: ${printable(text)}, expected key=value`);
  if (name === "" || value === "")
    throw new Failure("USAGE", `invalid context value: ${printable(text)}: the ${name === "" ? "name" : "value"} is empty`);
  if (value.startsWith("docker-image://")) return [name, { kind: "image", name: withDefaultTag(parseReference(value.slice(15))) }];
  if (value.startsWith("debian:")) {
    const { debianContext } = await import("../../base/with-packages.ts");
    const image = debianContext(value, name);
    if (image) return [name, { kind: "image", name: image }];
  }
  if (value.startsWith("oci-layout://")) return [name, layoutOf(value.slice(13))];
  if (value.startsWith("target:"))
    throw new Failure("UNSUPPORTED", `build context ${printable(name)}: target: is for bake files, which nought does not read`);
  const context = await readContext(value);
  if (context.kind === "dir" || context.kind === "tar" || context.kind === "git") return [name, context];
  if (context.kind === "stdin") throw new Failure("USAGE", `build context ${printable(name)}: standard input can only be the main context`);
  throw new Failure("UNSUPPORTED", `build context ${printable(name)}: archives at a URL are not supported`, {
    hint: "Fetch it first, then name the file.",
  });
}

/** `DIR[:TAG][@DIGEST]`. A colon counts as a tag only after the last slash. */
function layoutOf(text: string): NamedContext {
  const [before = "", digest] = split(text, text.indexOf("@sha256:"));
  if (digest !== undefined && !isDigest(digest))
    throw new Failure("USAGE", `oci-layout://${printable(text)}: the digest is not sha256: and 64 hex digits`);
  const colon = before.lastIndexOf(":");
  const [dir = "", tag] = split(before, colon > before.lastIndexOf("/") ? colon : -1);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new Failure("NOT_FOUND", `oci-layout://${printable(text)}: there is no folder ${printable(dir)}`);
  return { kind: "layout", path: resolve(dir), ...(digest === undefined ? {} : { digest }), ...(tag === undefined ? {} : { tag }) };
}

function split(text: string, at: number): [string, string?] {
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
