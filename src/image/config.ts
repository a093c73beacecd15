import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from "../oci/config.ts";
import { parseDigest } from "../oci/digest.ts";
import { type JsonValue, parseJson } from "./json.ts";
import { compact, Shape } from "./json-shape.ts";

const IMAGE = ["created", "author", "architecture", "os", "variant", "os.version", "os.features", "config", "rootfs", "history"];
const CONTAINER = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Healthcheck",
  "ArgsEscaped",
  "Volumes",
  "WorkingDir",
  "Labels",
  "OnBuild",
  "StopSignal",
  "Shell",
];
const HEALTHCHECK = ["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];
const HISTORY = ["created", "created_by", "author", "comment", "empty_layer"];

/** RFC 3339, as Go reads it. */
const TIME =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Reads an image configuration (OCI image-spec, config.md, with docker's additions). Fields that are null are missing, an Entrypoint
 * or Cmd that is a string is a list of one, as docker takes it. Top-level fields that we do not know go to `rest`.
 * Throws MANIFEST, LIMIT.
 */
export function parseConfig(bytes: Uint8Array, where: string): ImageConfig {
  if (bytes.length > LIMITS.configBytes)
    throw new Failure("LIMIT", `${where}: a configuration of ${bytes.length} bytes; ${LIMITS.configBytes} are accepted`);
  const shape = new Shape(parseJson(bytes, where), where, IMAGE);
  if (!shape.has("rootfs")) shape.fail("no rootfs: this is not the configuration of an image");
  const rootfs = new Shape(shape.value("rootfs"), `${where}: rootfs`, ["type", "diff_ids"]);
  if (rootfs.string("type") !== "layers") rootfs.fail('type is not "layers"');
  return compact<ImageConfig>({
    created: time(shape, "created"),
    author: shape.string("author"),
    architecture: shape.string("architecture") ?? "",
    os: shape.string("os") ?? "",
    variant: shape.string("variant"),
    "os.version": shape.string("os.version"),
    "os.features": shape.strings("os.features"),
    config: shape.has("config") ? container(shape.value("config"), `${where}: config`) : {},
    rootfs: {
      type: "layers",
      diff_ids: (rootfs.array("diff_ids") ?? []).map((one, at) => parseDigest(one, `${where}: diffID ${at + 1}`)),
    },
    history: (shape.array("history") ?? []).map((one, at) => history(one, `${where}: history entry ${at + 1}`)),
    rest: shape.rest(IMAGE),
  });
}

function container(value: JsonValue | undefined, where: string): ContainerConfig {
  const shape = new Shape(value, where, CONTAINER);
  return compact<ContainerConfig>({
    User: shape.string("User"),
    ExposedPorts: shape.set("ExposedPorts"),
    Env: shape.strings("Env"),
    Entrypoint: words(shape, "Entrypoint"),
    Cmd: words(shape, "Cmd"),
    Healthcheck: shape.has("Healthcheck") ? healthcheck(shape.value("Healthcheck"), `${where}: Healthcheck`) : undefined,
    ArgsEscaped: shape.boolean("ArgsEscaped"),
    Volumes: shape.set("Volumes"),
    WorkingDir: shape.string("WorkingDir"),
    Labels: shape.map("Labels"),
    OnBuild: shape.strings("OnBuild"),
    StopSignal: shape.string("StopSignal"),
    Shell: shape.strings("Shell"),
  });
}

function words(shape: Shape, key: string): readonly string[] | undefined {
  const value = shape.value(key);
  return typeof value === "string" ? [value] : shape.strings(key);
}

function healthcheck(value: JsonValue | undefined, where: string): Healthcheck {
  const shape = new Shape(value, where, HEALTHCHECK);
  return compact<Healthcheck>({
    Test: shape.strings("Test"),
    Interval: shape.integer("Interval", true),
    Timeout: shape.integer("Timeout", true),
    StartPeriod: shape.integer("StartPeriod", true),
    StartInterval: shape.integer("StartInterval", true),
    Retries: shape.integer("Retries", true),
  });
}

function history(value: JsonValue, where: string): HistoryEntry {
  const shape = new Shape(value, where, HISTORY);
  return compact<HistoryEntry>({
    created: time(shape, "created"),
    created_by: shape.string("created_by"),
    author: shape.string("author"),
    comment: shape.string("comment"),
    empty_layer: shape.boolean("empty_layer"),
  });
}

function time(shape: Shape, key: string): string | undefined {
  const text = shape.string(key);
  if (text !== undefined && !TIME.test(text)) shape.fail(`${key} is not a time of RFC 3339`);
  return text;
}
