/** The documents of an image: strict readers and deterministic writers. */
export { parseConfig } from "./config.ts";
export { encodeConfig, encodeIndex, encodeManifest } from "./encode.ts";
export { parseIndex, parseManifest } from "./manifest.ts";
