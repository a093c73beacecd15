import { parseConfig } from "../image/documents.ts";
import { isObject, type JsonObject, parseJson } from "../image/json.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import type { ImageConfig } from "../oci/config.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { parseReference, type Reference, withDefaultTag } from "../oci/reference.ts";
import type { TarFile, TarFileMember } from "./tar-file.ts";

/** One entry of manifest.json, its configuration read and everything it names found in the archive. */
export interface DockerImage {
  readonly names: readonly Reference[];
  /** Path of the configuration in the archive, for messages. */
  readonly config: string;
  readonly configId: Digest;
  readonly configBytes: Buffer;
  readonly parsed: ImageConfig;
  readonly layers: readonly TarFileMember[];
}

/**
 * Reads manifest.json of a docker archive (moby, image/tarexport; docker's image spec v1.2): `[{Config, RepoTags, Layers}]`. Paths lead
 * to members of the archive only, through its links if need be; digests in file names must be true.
 * Throws MANIFEST, DIGEST, LIMIT, REFERENCE, RESERVED.
 */
export async function readDockerImages(tar: TarFile): Promise<DockerImage[]> {
  const where = `${printable(tar.label)}: manifest.json`;
  const member = tar.file("manifest.json");
  if (member === undefined) throw new Failure("MANIFEST", `${where} is not a file`);
  const entries = parse(await tar.read(member, LIMITS.manifestBytes), where);
  const images: DockerImage[] = [];
  for (const entry of entries) images.push(await readImage(tar, entry, where));
  return images;
}

function parse(bytes: Buffer, where: string): readonly JsonObject[] {
  const value = parseJson(bytes, where);
  if (!Array.isArray(value)) throw new Failure("MANIFEST", `${where} is not a list of images`);
  if (value.length > LIMITS.indexEntries)
    throw new Failure("LIMIT", `${where} lists more than ${LIMITS.indexEntries} images (limit indexEntries)`);
  return value.map((entry) => {
    if (isObject(entry)) return entry;
    throw new Failure("MANIFEST", `${where} holds something that is no image`);
  });
}

async function readImage(tar: TarFile, entry: JsonObject, where: string): Promise<DockerImage> {
  const config = entry.Config;
  const layers = strings(entry.Layers, "Layers", where);
  const tags = strings(entry.RepoTags, "RepoTags", where);
  if (typeof config !== "string") throw new Failure("MANIFEST", `${where}: Config is not a name`);
  if (layers.length > LIMITS.layers) throw new Failure("LIMIT", `${where}: more than ${LIMITS.layers} layers (limit layers)`);
  const configBytes = await tar.read(find(tar, config, "configuration"), LIMITS.configBytes);
  const configId = digestOf(configBytes);
  checkClaim(tar, config, configId);
  const parsed = parseConfig(configBytes, printable(config));
  return {
    names: tags.map((tag) => withDefaultTag(parseReference(tag))),
    config,
    configId,
    configBytes,
    parsed,
    layers: layers.map((layer) => find(tar, layer, "layer")),
  };
}

function strings(value: unknown, field: string, where: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw new Failure("MANIFEST", `${where}: ${field} is not a list of names`);
}

function find(tar: TarFile, path: string, what: string): TarFileMember {
  const member = tar.file(path);
  if (member) return member;
  throw new Failure(
    "MANIFEST",
    `${printable(tar.label)}: manifest.json names the ${what} ${printable(path.slice(0, 300))}, which is not in the archive`,
  );
}

/** Docker, podman and skopeo call a configuration by its digest: `<hex>.json`, `sha256:<hex>`, `blobs/sha256/<hex>`. */
function checkClaim(tar: TarFile, path: string, actual: Digest): void {
  const claim = /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (claim === undefined || actual === `sha256:${claim}`) return;
  throw new Failure("DIGEST", `${printable(tar.label)}: the configuration ${printable(path)} has the digest ${actual}`);
}
