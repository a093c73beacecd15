import type { ContentStore } from "../store/face.ts";
import type { Path } from "../tree/path.ts";
import type { LayerFiles } from "../tree/read.ts";
import type { Tree } from "../tree/tree.ts";

/** How several steps use one cache mount at once: all in the same directory, each in its own, or one after the other. */
export type Sharing = "shared" | "private" | "locked";

/** What a cache mount begins with: a directory of another stage or image. */
export interface CacheSeed {
  /** What `tree` is made of, as one line: its chain ID. Mounts with other beginnings are other mounts, as BuildKit has it. */
  readonly identity: string;
  readonly tree: Tree;
  /** The directory in it; links are followed inside the tree. */
  readonly source: Path;
  readonly files: LayerFiles;
}

/** `RUN --mount=type=cache,…`. */
export interface CacheMountWish {
  /** As written: it never becomes a part of a path. */
  readonly id: string;
  readonly sharing: Sharing;
  /** Of a new mount's directory: 0755 and root without. Those who ask with others get another mount, as BuildKit has it. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly seed?: CacheSeed;
  /** For lists: what the mount is for. */
  readonly description?: string;
}

/** A cache mount in use. To be disposed of when nothing runs in it any more; a process that is killed gives it back as well. */
export interface CacheMount extends AsyncDisposable {
  /** The directory to be mounted, absolute. */
  readonly path: string;
  /** Whether it was made just now. */
  readonly fresh: boolean;
}

/** As much of a store as cache mounts need. */
export type CacheMountStore = Pick<ContentStore, "dir" | "temporary">;
