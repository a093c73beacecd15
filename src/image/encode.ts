import { compareNames } from "../kit/bytes.ts";
import type { ContainerConfig, HistoryEntry, ImageConfig } from "../oci/config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Index, Manifest } from "../oci/manifest.ts";
import type { Platform } from "../oci/platform.ts";
import { encodeJson } from "./json.ts";

/** The bytes of a manifest: fields in the order of the OCI image-spec's Go types, as docker and containers/image write them. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeJson({
    schemaVersion: 2,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    config: descriptor(manifest.config),
    layers: manifest.layers.map(descriptor),
    subject: manifest.subject && descriptor(manifest.subject),
    annotations: sorted(manifest.annotations),
  });
}

/** The bytes of an index, in the same way. */
export function encodeIndex(index: Index): Uint8Array {
  return encodeJson({
    schemaVersion: 2,
    mediaType: index.mediaType,
    artifactType: index.artifactType,
    manifests: index.manifests.map(descriptor),
    subject: index.subject && descriptor(index.subject),
    annotations: sorted(index.annotations),
  });
}

/**
 * The bytes of a configuration, whose digest is the image ID. As BuildKit writes it: top-level fields by name, the inner ones in the
 * order of docker's types, maps by key, empty lists and maps of `config` left out. `diff_ids` and `history` are always lists, where
 * BuildKit has null for none, which the specification does not allow.
 */
export function encodeConfig(image: ImageConfig): Uint8Array {
  return encodeJson(
    sorted({
      ...image.rest,
      architecture: image.architecture,
      author: image.author,
      config: container(image.config),
      created: image.created,
      history: image.history.map(history),
      os: image.os,
      "os.features": image["os.features"],
      "os.version": image["os.version"],
      rootfs: { type: "layers", diff_ids: image.rootfs.diff_ids },
      variant: image.variant,
    }),
  );
}

function container(config: ContainerConfig): object {
  const check = config.Healthcheck;
  return {
    User: config.User || undefined,
    ExposedPorts: sorted(config.ExposedPorts, true),
    Env: filled(config.Env),
    Entrypoint: filled(config.Entrypoint),
    Cmd: filled(config.Cmd),
    Volumes: sorted(config.Volumes, true),
    WorkingDir: config.WorkingDir || undefined,
    Labels: sorted(config.Labels, true),
    StopSignal: config.StopSignal || undefined,
    ArgsEscaped: config.ArgsEscaped || undefined,
    Healthcheck: check && {
      Test: filled(check.Test),
      Interval: check.Interval || undefined,
      Timeout: check.Timeout || undefined,
      StartPeriod: check.StartPeriod || undefined,
      StartInterval: check.StartInterval || undefined,
      Retries: check.Retries || undefined,
    },
    OnBuild: filled(config.OnBuild),
    Shell: filled(config.Shell),
  };
}

function history(entry: HistoryEntry): object {
  return {
    created: entry.created,
    created_by: entry.created_by || undefined,
    author: entry.author || undefined,
    comment: entry.comment || undefined,
    empty_layer: entry.empty_layer || undefined,
  };
}

function descriptor(what: Descriptor): object {
  return {
    mediaType: what.mediaType,
    digest: what.digest,
    size: what.size,
    annotations: sorted(what.annotations, true),
    data: what.data,
    platform: what.platform && platform(what.platform),
    artifactType: what.artifactType,
  };
}

function platform(what: Platform): object {
  return {
    architecture: what.architecture,
    os: what.os,
    "os.version": what["os.version"],
    "os.features": what["os.features"],
    variant: what.variant,
  };
}

function filled(list: readonly string[] | null | undefined): readonly string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}

/** Keys by their bytes, as Go writes maps. */
function sorted(map: Readonly<Record<string, unknown>> | undefined, leaveOutEmpty = false): ReadonlyMap<string, unknown> | undefined {
  const keys = map === undefined ? [] : Object.keys(map).sort(compareNames);
  if (map === undefined || (keys.length === 0 && leaveOutEmpty)) return undefined;
  return new Map(keys.map((key) => [key, map[key]]));
}
