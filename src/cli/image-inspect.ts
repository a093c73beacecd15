import { familiarRepository } from "../oci/reference.ts";
import type { StoredImage } from "./catalog.ts";
import { Nil, Row } from "./template/value.ts";

type Json = Record<string, unknown>;

const NO_LIST = new Nil("[]");
const NO_MAP = new Nil("map[]");

/** What fields that are left out of the JSON come to in a template. */
const UNSET: Json = { Created: "", Variant: "", OsVersion: "" };
const UNSET_CONFIG: Json = { ExposedPorts: NO_MAP, ArgsEscaped: false, Healthcheck: NO_MAP, Shell: NO_LIST, StopSignal: "" };

/** An image in the shape of `docker image inspect`: as JSON in docker's order, and as fields for templates. `size` is bytes. */
export function inspectImage(image: StoredImage, size: number): { readonly json: Json; readonly row: Row } {
  const { config } = image;
  const json: Json = {
    Id: image.id,
    RepoTags: image.names.filter((one) => one.name.tag !== undefined).map((one) => `${familiarRepository(one.name)}:${one.name.tag}`),
    RepoDigests: [...new Set(image.names.map((one) => `${familiarRepository(one.name)}@${image.root.digest}`))],
    Parent: "",
    Comment: config.history?.at(-1)?.comment ?? "",
    ...(config.created === undefined ? {} : { Created: config.created }),
    DockerVersion: "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config["os.version"] === undefined ? {} : { OsVersion: config["os.version"] }),
    Size: size,
    GraphDriver: { Data: null, Name: "nought" },
    RootFS: { Type: "layers", ...(config.rootfs.diff_ids.length > 0 ? { Layers: config.rootfs.diff_ids } : {}) },
    Metadata: { LastTagTime: new Date(image.at).toISOString() },
    Descriptor: { mediaType: image.root.mediaType, digest: image.root.digest, size: image.root.size },
    Config: configJson(image),
  };
  return { json, row: rowOf(json) };
}

/** Docker shows the fields in the order of their names, these always and the rest when they say something. */
function configJson(image: StoredImage): Json {
  const given = (image.config.config ?? {}) as Json;
  const always: Json = { Cmd: null, Entrypoint: null, Env: null, Labels: null, OnBuild: null, User: "", Volumes: null, WorkingDir: "" };
  return sorted({ ...always, ...given }, 2);
}

/** A copy with the keys of its maps in order, `depth` levels down. */
function sorted(value: Json, depth: number): Json {
  const one = (inner: unknown) =>
    depth > 1 && typeof inner === "object" && inner !== null && !Array.isArray(inner) ? sorted(inner as Json, depth - 1) : inner;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, one(value[key])]),
  );
}

function rowOf(json: Json): Row {
  const config = json["Config"] as Json;
  const whole: Json = {
    ...UNSET_CONFIG,
    ...config,
    ...Object.fromEntries(["Cmd", "Entrypoint", "Env", "OnBuild"].filter((key) => config[key] === null).map((key) => [key, NO_LIST])),
    ...Object.fromEntries(
      ["ExposedPorts", "Volumes"].filter((key) => config[key] != null).map((key) => [key, emptyStructs(config[key] as Json)]),
    ),
    ...Object.fromEntries(["Labels", "Volumes"].filter((key) => config[key] === null).map((key) => [key, NO_MAP])),
  };
  const rootfs = json["RootFS"] as Json;
  return new Row(
    "struct",
    "image.InspectResponse",
    {
      ...UNSET,
      ...json,
      RootFS: new Row("struct", "image.RootFS", { Layers: NO_LIST, ...rootfs }, rootfs),
      GraphDriver: new Row("struct", "storage.DriverData", json["GraphDriver"] as Json, json["GraphDriver"]),
      Metadata: new Row("struct", "image.Metadata", json["Metadata"] as Json, json["Metadata"]),
      Descriptor: new Row("struct", "ocispec.Descriptor", json["Descriptor"] as Json, json["Descriptor"]),
      Config: new Row("struct", "container.Config", whole, config),
    },
    json,
  );
}

/** Sets are maps to empty structs in Go, which print as `{}`. */
function emptyStructs(set: Json): Json {
  return Object.fromEntries(Object.keys(set).map((key) => [key, new Row("struct", "struct {}", {})]));
}
