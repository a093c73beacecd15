import { openImage } from "../../image/open.ts";
import { Failure } from "../../kit/error.ts";
import { formatPlatform, hostPlatform, matchesPlatform, parsePlatform } from "../../oci/platform.ts";
import { familiarName, withDefaultTag } from "../../oci/reference.ts";
import type { StoredImage } from "../catalog.ts";
import type { Invocation } from "../command.ts";

/** Whether a word names an image where it is in a registry. */
export function isRemote(text: string): boolean {
  return text.startsWith("docker://");
}

/**
 * What a registry says of an image, `docker://NAME[:TAG|@DIGEST]`: its manifest and configuration, nothing else is fetched. Sizes are those
 * of the packed layers. Of an index it is the image for `platform`, or this machine's. Throws NOT_FOUND, AUTH, NETWORK, MANIFEST, DIGEST.
 */
export async function readRemoteImage(
  call: Invocation,
  text: string,
  platform: string | undefined,
): Promise<{ readonly image: StoredImage; readonly sizes: readonly number[] }> {
  const { openNamed, resolveNamed } = await import("./open.ts");
  const { name: bare, place, task } = await openNamed(call, text, "pull");
  await using _ = place;
  const name = withDefaultTag(bare);
  const root = await resolveNamed(place, name, task);
  const wanted = platform === undefined ? hostPlatform() : parsePlatform(platform);
  const { descriptor, configDescriptor, config, layers } = await openImage(place, root, wanted);
  if (platform !== undefined && !matchesPlatform(wanted, config)) {
    const has = formatPlatform({
      os: config.os,
      architecture: config.architecture,
      ...(config.variant ? { variant: config.variant } : {}),
    });
    throw new Failure("NOT_FOUND", `${familiarName(name)} is for ${has}, not for ${formatPlatform(wanted)}`, {
      hint: `Leave --platform away to look at it for ${has}.`,
    });
  }
  const image: StoredImage = {
    id: configDescriptor.digest,
    root,
    manifest: descriptor,
    config,
    layers: layers.map((layer) => layer.blob),
    names: [{ name, root, at: 0 }],
    at: 0,
  };
  return { image, sizes: layers.map((layer) => layer.blob.size) };
}

/** The document that a name of a registry stands for, byte for byte. Throws as readRemoteImage does. */
export async function readRemoteDocument(call: Invocation, text: string): Promise<Uint8Array> {
  const [{ openNamed, resolveNamed }, { readWhole }] = await Promise.all([import("./open.ts"), import("../../place/documents.ts")]);
  const { name, place, task } = await openNamed(call, text, "pull");
  await using _ = place;
  return await readWhole(place, await resolveNamed(place, withDefaultTag(name), task));
}
