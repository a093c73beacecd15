import type { Descriptor } from "../oci/descriptor.ts";
import type { Compression } from "../oci/media-type.ts";
import type { Platform } from "../oci/platform.ts";
import type { Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";

/** What a build wants of registries; whoever starts the build hands it down. Without it only what the store has can be used. */
export interface RemoteImages {
  /** What a name in a Dockerfile may stand for: itself, or, written without a registry, what the configuration says. Never empty. */
  candidates(text: string): Promise<readonly Reference[]>;
  /** Brings an image into the store under its name; undefined where the registry does not have it. */
  pull(name: Reference, platform: Platform, task: Task): Promise<Descriptor | undefined>;
  /** Pushes an image of the store; the result is what the registry has it by. */
  push(name: Reference, root: Descriptor, how: PushPacking, task: Task): Promise<Descriptor>;
}

/** How plain layers are packed on their way to a registry. */
export interface PushPacking {
  readonly compression: Exclude<Compression, "uncompressed">;
  readonly level?: number;
  readonly force: boolean;
}
