import type { Image } from "../image/layer.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Compression } from "../oci/media-type.ts";
import type { BytesReader } from "../oci/place.ts";
import type { Platform } from "../oci/platform.ts";
import type { Reference } from "../oci/reference.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";

/**
 * What a build wants of registries; whoever starts the build hands it down, and closes it when the build is over. Without it only what the
 * store has can be used.
 */
export interface RemoteImages {
  /** What a name in a Dockerfile may stand for: itself, or, written without a registry, what the configuration says. Never empty. */
  candidates(text: string): Promise<readonly Reference[]>;
  /**
   * Looks an image up: of it only documents are read. `task` lasts as long as the build does. Undefined where the registry does not have
   * it.
   */
  find(name: Reference, platform: Platform, task: Task): Promise<RemoteImage | undefined>;
  /** Pushes an image that can be read through the store; the result is what the registry has it by. */
  push(name: Reference, root: Descriptor, how: PushPacking, store: OfferingStore, task: Task): Promise<Descriptor>;
}

/** An image as a registry has it. */
export interface RemoteImage {
  readonly image: Image;
  /** What the name stands for: the image's manifest, or an index that lists it. */
  readonly root?: Descriptor;
  /** Where its layers can be had until the build is over; absent where all of the image is in the store. */
  readonly layers?: BytesReader;
  /** Gives it its name in the store. Its layers must be there. */
  keep?(task: Task): Promise<void>;
}

/** How plain layers are packed on their way to a registry. */
export interface PushPacking {
  readonly compression: Exclude<Compression, "uncompressed">;
  readonly level?: number;
  readonly force: boolean;
  readonly byDigest?: boolean;
}
