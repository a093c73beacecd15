import { mkdirSync, readFileSync, rmSync } from "node:fs";

import { basename, join } from "node:path";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { PathMatcher } from "../kit/pattern.ts";
import { printable } from "../kit/printable.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { hostTree } from "../tree/host.ts";
import { mergeTree } from "../tree/merge.ts";
import { toPath } from "../tree/path.ts";
import { type FolderInput, ignoreFile, openFolder, readSmallBytes } from "./context.ts";
import type { InputRef } from "./graph.ts";
import type { OpenInput } from "./input.ts";
import { keyOf } from "./key.ts";
import type { BuildRequest, ContextSource, NamedContext } from "./request.ts";
import { openTar, type TarInput } from "./tar-context.ts";

/** Where the words and files of a build come in: the Dockerfile, the context, the named contexts. */
export interface Inlet extends AsyncDisposable {
  /** The Dockerfile's name for messages. */
  readonly name: string;
  readonly dockerfile: Uint8Array;
  /** What the ignore file keeps out, for checks too; undefined where there is none. */
  readonly ignore: PathMatcher | undefined;
  /** The commits that git contexts were opened at, by their address as it was given. */
  readonly commits: ReadonlyMap<string, string>;
  open(input: InputRef & { readonly from: "context" | "named" }): Promise<OpenInput>;
  /** Keeps what was learnt of folders for the next build. */
  save(): Promise<void>;
  /** A private folder, made when first asked for and gone when the build is over. */
  tmp(): Promise<string>;
  later(close: () => Promise<void>): void;
}

/** Opens the context as far as the Dockerfile needs it. The store is asked for only where a context must be kept (tar, git). */
export async function openInlet(request: BuildRequest, store: () => Promise<ContentStore>, task: Task): Promise<Inlet> {
  const endings: (() => Promise<void>)[] = [];
  const folders: FolderInput[] = [];
  const commits = new Map<string, string>();
  let folder: string | undefined;
  const later = (close: () => Promise<void>) => {
    endings.push(close);
  };
  const tmp = async () => {
    if (folder !== undefined) return folder;
    folder = await (await store()).temporary();
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  };
  const dispose = async () => {
    for (const close of endings.reverse()) await close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  };

  try {
    const { context } = request;
    const main = context.kind === "tar" || context.kind === "git" ? await openRemote(context, commits, store, tmp, later, task) : undefined;
    const { name, bytes, file } = await dockerfileOf(request, main);
    const ignore = context.kind === "dir" ? ignoreFile(context.path, file) : undefined;
    const openContext = async (source: ContextSource | NamedContext, exclude: PathMatcher | undefined): Promise<OpenInput> => {
      if (source.kind === "none") return { origin: "context", tree: async () => mergeTree([]) };
      if (source.kind === "tar" || source.kind === "git") return openRemote(source, commits, store, tmp, later, task);
      if (source.kind !== "dir") throw new Error("internal: images are no contexts");
      const opened = openFolder(source.path, exclude, await store());
      folders.push(opened);
      return opened;
    };
    return {
      name,
      dockerfile: bytes,
      ignore,
      commits,
      open: (input) => {
        if (input.from === "context") return main ? Promise.resolve(main) : openContext(context, ignore);
        const named = input.context;
        return openContext(named, named.kind === "dir" ? ignoreFile(named.path, undefined) : undefined);
      },
      async save() {
        for (const one of folders) one.save();
      },
      tmp,
      later,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function openRemote(
  source: { readonly kind: "tar"; readonly path: string } | { readonly kind: "git"; readonly url: string },
  commits: Map<string, string>,
  store: () => Promise<ContentStore>,
  tmp: () => Promise<string>,
  later: (close: () => Promise<void>) => void,
  task: Task,
): Promise<OpenInput> {
  if (source.kind === "tar") return openTar(source.path, await store(), task);
  const [{ fetchGit }, { parseGitUrl }] = await Promise.all([import("../net/git.ts"), import("../net/git-url.ts")]);
  const parsed = parseGitUrl(source.url, "context");
  if (parsed === undefined) throw new Failure("USAGE", "the context is no git address");
  const checkout = await fetchGit(parsed, await tmp(), {}, task);
  later(async () => checkout[Symbol.asyncDispose]());
  commits.set(source.url, checkout.commit);
  const tree = hostTree(checkout.dir);
  const { subdir = "", keepGitDir = false, submodules = true } = parsed;
  const identity = keyOf("git-context/1", checkout.commit, subdir, JSON.stringify({ keepGitDir, submodules }));
  return { origin: "context", identity, folder: checkout.dir, tree: async () => tree };
}

/** The Dockerfile's bytes; `file` is its path on disk, for the ignore file beside it. */
async function dockerfileOf(
  request: BuildRequest,
  main: OpenInput | undefined,
): Promise<{ name: string; bytes: Uint8Array; file?: string }> {
  const { dockerfile } = request;
  if (dockerfile.kind === "text") return { name: "Dockerfile", bytes: Buffer.from(dockerfile.text) };
  if (dockerfile.kind === "path")
    return { name: basename(dockerfile.path), bytes: readSmallBytes(dockerfile.path, "dockerfile"), file: dockerfile.path };
  const entry = (await main?.tree())?.lookup(toPath(dockerfile.path));
  if (entry?.kind !== "file") {
    throw new Failure("NOT_FOUND", `failed to read dockerfile: open ${printable(dockerfile.path)}: no such file or directory`, {
      hint: "It is looked for in the context; name it with -f.",
    });
  }
  if (entry.size > LIMITS.dockerfileBytes) throw new Failure("LIMIT", `the Dockerfile is larger than ${LIMITS.dockerfileBytes} bytes`);
  const { content } = entry;
  const name = basename(dockerfile.path);
  if (content.in === "host") return { name, bytes: readFileSync(join(content.path)) };
  if (content.in === "memory") return { name, bytes: content.bytes };
  return { name, bytes: await (main as TarInput).read(entry) };
}
