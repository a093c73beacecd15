import type { ImageConfig } from "../oci/config.ts";
import type { Built } from "./built.ts";
import type { StagePlan } from "./graph.ts";
import type { BuildRequest } from "./request.ts";

/**
 * The configuration document of the image. Its time is SOURCE_DATE_EPOCH, else the newest time of what the image holds, so that it
 * depends on the inputs and not on the clock; history lines of this build have the same time.
 */
export function finalConfig(stage: StagePlan, built: Built, request: BuildRequest): ImageConfig {
  const created = isoTime(request.sourceDateEpoch ?? built.newest ?? 0);
  const { platform, config, baseConfig } = stage;
  const labels = { ...config.Labels, ...request.labels };
  return {
    created,
    ...(stage.author === undefined ? {} : { author: stage.author }),
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    ...(baseConfig?.["os.version"] === undefined ? {} : { "os.version": baseConfig["os.version"] }),
    ...(baseConfig?.["os.features"] === undefined ? {} : { "os.features": baseConfig["os.features"] }),
    config: Object.keys(labels).length > 0 ? { ...config, Labels: labels } : config,
    rootfs: { type: "layers", diff_ids: built.layers.map((layer) => layer.diffId) },
    history: stage.history.map((entry) => (entry.created === undefined ? { created, ...entry } : entry)),
  };
}

/** Seconds since the epoch as RFC 3339, the form that Go writes. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
