import { Failure } from "../../kit/error.ts";
import { hasGlob } from "../../kit/glob.ts";
import { printable } from "../../kit/printable.ts";
import type { Digest } from "../../oci/digest.ts";
import { toPath } from "../../tree/path.ts";
import type { FileAction } from "../graph.ts";
import { HostDigests, type OpenInput, TURN, turn } from "../input.ts";
import { keyOf, selectionDigest } from "../key.ts";
import type { Workshop } from "../workshop.ts";
import { fetched } from "./fetched.ts";
import { type Pick, select } from "./select.ts";

/** An action with its sources found: what it will put, and the digest of that where it is known without reading. */
export interface Prepared {
  readonly action: FileAction;
  readonly input?: OpenInput;
  readonly digests?: HostDigests;
  /** The sources. Made once, and only when asked for: a warm build may never look. */
  picks(): Promise<readonly Pick[]>;
  /** Digest of the selection; undefined while contents would have to be read. */
  selection(): Promise<Digest | undefined>;
  /** Reads what must be read for the digest. */
  hashed(): Promise<Digest>;
}

/** Finds the sources of one action. Throws NOT_FOUND where a source matches nothing, NETWORK and others while fetching. */
export async function prepare(action: FileAction, shop: Workshop): Promise<Prepared> {
  switch (action.do) {
    case "mkdir":
      return constant(action, keyOf("mkdir", action.path, action.user));
    case "write":
      return constant(action, keyOf("write", action.name, action.text));
    case "fetch":
    case "git": {
      const got = await fetched(action, shop);
      return { ...constant(action, got.identity), picks: async () => got.picks, input: got.input };
    }
    case "copy":
      return chosen(action, await shop.open(action.input), shop);
  }
}

function constant(action: FileAction, digest: Digest): Prepared {
  return { action, picks: async () => [], selection: async () => digest, hashed: async () => digest };
}

function chosen(action: FileAction & { do: "copy" }, input: OpenInput, shop: Workshop): Prepared {
  const digests = new HostDigests(input);
  const find = (entry: Parameters<typeof digests.find>[0]) => digests.find(entry);
  let picks: Promise<readonly Pick[]> | undefined;
  const look = () => {
    picks ??= (async () => {
      const tree = await input.tree();
      return action.sources.flatMap((pattern) => {
        const found = select(tree, { pattern, parents: action.parents, excludes: action.excludes });
        // With --parents, what is there but excluded is no error (BuildKit's required paths).
        if (found.length === 0 && !hasGlob(pattern) && (!action.parents || tree.lookup(toPath(pattern)) === undefined))
          throw missing(pattern, action);
        // As with docker, a wildcard that matches nothing copies nothing; but nobody should have to guess why.
        if (found.length === 0) shop.task.emit({ type: "note", text: `${printable(pattern)} matches nothing` });
        return found;
      });
    })();
    return picks;
  };
  return {
    action,
    input,
    digests,
    picks: look,
    async selection() {
      if (input.identity === undefined) return selectionDigest(await look(), find);
      // What a selection of an unchanging tree comes to is remembered, so that a warm build opens no index.
      const key = keyOf("selection/1", input.identity, action.sources, action.excludes, action.parents ? "parents" : "");
      const known = shop.recall(key)?.value as Digest | undefined;
      if (known !== undefined) return known;
      const digest = selectionDigest(await look(), find);
      if (digest !== undefined) shop.remember({ key, value: digest });
      return digest;
    },
    async hashed() {
      const all = await look();
      const { signal } = shop.task;
      let read = 0;
      for (const pick of all) {
        for (const entry of [pick.top, ...pick.below]) {
          if (entry.kind !== "file" || digests.find(entry) !== undefined) continue;
          await digests.hash(entry, signal);
          // Opening a file takes as long as reading some of it.
          read += entry.size + (32 << 10);
          if (read > TURN) {
            read = 0;
            await turn(signal);
          }
        }
      }
      return selectionDigest(all, find) as Digest;
    },
  };
}

function missing(pattern: string, action: FileAction & { do: "copy" }): Failure {
  const shown = toPath(pattern);
  const where =
    action.input.from === "context"
      ? "the build context"
      : action.input.from === "stage"
        ? "that stage"
        : action.input.from === "scratch"
          ? "scratch (it is empty)"
          : action.input.name;
  return new Failure("NOT_FOUND", `"${printable(shown)}": not found in ${printable(where)}`, {
    hint:
      action.input.from === "context"
        ? "Paths are relative to the context; check the spelling and .dockerignore."
        : "Check the path in the source.",
  });
}
