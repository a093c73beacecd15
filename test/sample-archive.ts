import { TarWriter } from "../src/format/tar-write.ts";
import { hexOf } from "../src/oci/digest.ts";
import { MEDIA } from "../src/oci/media-type.ts";
import type { Sample } from "./sample-image.ts";

/** A member of an archive: a file's bytes, or a link. */
export type SampleMember = Buffer | string | { readonly symlink: string } | { readonly hardlink: string };

/** A tar of the members in their order; a name may come twice. */
export async function sampleTar(members: readonly (readonly [string, SampleMember])[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const tar = new TarWriter((chunk) => void chunks.push(Buffer.from(chunk)), 1 << 12);
  const common = { uid: 0, gid: 0, mtime: 0, mode: 0o644 };
  for (const [path, member] of members) {
    if (typeof member === "string" || Buffer.isBuffer(member)) {
      const body = Buffer.from(member);
      await tar.header({ ...common, type: "file", path, size: body.length });
      await tar.bytes(body);
      tar.pad();
    } else if ("symlink" in member) await tar.header({ ...common, type: "symlink", path, size: 0, link: member.symlink });
    else await tar.header({ ...common, type: "hardlink", path, size: 0, link: member.hardlink });
  }
  await tar.end();
  return Buffer.concat(chunks);
}

/** As docker up to 24 saves an image: `ID/layer.tar`, `CONFIG.json`, manifest.json. */
export function oldDocker(sample: Sample, tags: readonly string[] | null): [string, SampleMember][] {
  const config = `${hexOf(sample.config.digest)}.json`;
  const paths = sample.layers.map((_, n) => `${String(n).repeat(64).slice(0, 64)}/layer.tar`);
  return [
    [config, sample.blobs.get(sample.config.digest) as Buffer],
    ...sample.layers.map((layer, n): [string, SampleMember] => [paths[n] as string, sample.blobs.get(layer.digest) as Buffer]),
    ["manifest.json", JSON.stringify([{ Config: config, RepoTags: tags, Layers: paths }])],
  ];
}

/** An OCI layout in a tar. */
export function ociArchive(sample: Sample, names: readonly string[]): [string, SampleMember][] {
  const manifests = names.map((name) => ({ ...sample.root, annotations: { "io.containerd.image.name": name } }));
  return [
    ...[...sample.blobs].map(([digest, bytes]): [string, SampleMember] => [`blobs/sha256/${hexOf(digest)}`, bytes]),
    ["index.json", JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: names.length > 0 ? manifests : [sample.root] })],
    ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
  ];
}
