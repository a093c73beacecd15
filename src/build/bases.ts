import type { Image } from "../image/layer.ts";
import { Failure } from "../kit/error.ts";
import type { Digest } from "../oci/digest.ts";
import { isForeignLayer } from "../oci/media-type.ts";
import type { Bytes, BytesReader } from "../oci/place.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import { formatReference, type Reference } from "../oci/reference.ts";
import type { OfferingStore } from "../store/offers.ts";
import type { Task } from "../task/task.ts";
import type { BuildGraph, StagePlan } from "./graph.ts";
import type { RemoteImage } from "./remote.ts";

/** Images of registries that a build uses: their layers come when they are read. */
export interface Bases {
  /** Offers the layers of an image to the store. What comes of them is told as a step of its own. */
  take(found: RemoteImage, name: Reference, platform: Platform): Image;
  /** Names those of which all layers came, so that the next build finds them without the registry. Throws what naming throws. */
  settle(): Promise<void>;
  /** Told of what made the build fail. Where bytes were not what they should be, nothing is named. */
  distrust(error: unknown): void;
}

/** Bases whose layers `store` fetches when they are read. */
export function createBases(store: OfferingStore, task: Task): Bases {
  const taken: RemoteImage[] = [];
  const steps: TransferStep[] = [];
  return {
    take(found, name, platform) {
      if (!found.layers) return found.image;
      const from = toldOf(formatReference(name), found.layers);
      const blobs = found.image.layers.map((layer) => layer.blob);
      const step = transferStep(
        `internal/pull ${formatReference(name)} ${formatPlatform(platform)}`,
        `[internal] pull ${formatReference(name)}`,
        blobs.filter((blob) => !store.available(blob)).map((blob) => blob.digest),
        task,
      );
      for (const blob of blobs) store.offer(blob, from, step.told);
      taken.push(found);
      steps.push(step);
      return found.image;
    },
    distrust(error) {
      steps.length = 0;
      if (error instanceof Failure && error.code === "DIGEST") taken.length = 0;
    },
    async settle() {
      for (const step of steps.splice(0)) step.end();
      for (const { image, keep } of taken.splice(0)) {
        const whole = image.layers.every(({ blob }) => isForeignLayer(blob.mediaType) || store.sizeOf(blob.digest) === blob.size);
        if (whole) await keep?.(task);
      }
    },
  };
}

/** The stage with the `FROM` that the target goes back to, and the layers of the image that it names. */
export function baseOfTarget(graph: BuildGraph): readonly [StagePlan | undefined, Image["layers"]] {
  let stage = graph.stages.get(graph.target);
  while (stage?.base.kind === "stage") stage = graph.stages.get(stage.base.index);
  return [stage, stage?.base.kind === "image" ? stage.base.image.layers : []];
}

/** The transfers of one image: a step that begins with the first of them. */
interface TransferStep {
  readonly told: Task;
  /** No more will come. */
  end(): void;
}

/** A step that is done when none of the blobs is missing, or when no more will come. */
function transferStep(id: string, label: string, missing: readonly Digest[], task: Task): TransferStep {
  const step = { type: "step", id, label } as const;
  const left = new Set<string>(missing);
  let state: "waiting" | "begun" | "over" = "waiting";
  const end = () => {
    if (state === "begun") task.emit({ ...step, state: "done" });
    state = "over";
  };
  const told: Task = {
    signal: task.signal,
    emit(news) {
      if (news.type !== "bytes") return task.emit(news);
      if (state === "waiting") task.emit({ ...step, state: "started" });
      if (state === "waiting") state = "begun";
      task.emit({ ...news, id });
      if (news.done === news.total && left.delete(news.id) && left.size === 0) end();
    },
  };
  return { told, end };
}

/** A place whose failures say which image they are about. */
function toldOf(name: string, from: BytesReader): BytesReader {
  const told = (error: unknown): unknown => {
    if (!(error instanceof Failure) || error.code === "INTERRUPTED" || error.message.includes(name)) return error;
    const { hint, exit } = error;
    return new Failure(error.code, `${name}: ${error.message}`, { cause: error, exit, ...(hint === undefined ? {} : { hint }) });
  };
  async function* passing(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
    } catch (error) {
      throw told(error);
    }
  }
  return {
    has: (digest, mediaType) => from.has(digest, mediaType),
    async open(what): Promise<Bytes> {
      let bytes: Bytes;
      try {
        bytes = await from.open(what);
      } catch (error) {
        throw told(error);
      }
      const { unverified } = bytes;
      return {
        size: bytes.size,
        read: (start, end) => passing(bytes.read(start, end)),
        ...(unverified ? { unverified: (start: number) => passing(unverified(start)) } : {}),
        [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
      };
    },
  };
}
