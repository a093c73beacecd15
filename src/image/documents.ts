import type { ImageConfig } from "../oci/config.ts";
import type { Index, Manifest } from "../oci/manifest.ts";
// Placeholder of the lead until the strict reader lands; overwrite this file.
export function encodeConfig(config: ImageConfig): Uint8Array {
  return Buffer.from(JSON.stringify(config));
}
export function encodeManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(JSON.stringify(manifest));
}
export function parseManifest(bytes: Uint8Array, _where: string): Manifest {
  return JSON.parse(Buffer.from(bytes).toString());
}
export function parseIndex(bytes: Uint8Array, _where: string): Index {
  return JSON.parse(Buffer.from(bytes).toString());
}
export function parseConfig(bytes: Uint8Array, _where: string): ImageConfig {
  return JSON.parse(Buffer.from(bytes).toString());
}
