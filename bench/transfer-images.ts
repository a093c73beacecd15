/** Images to be moved, made of what this machine has in /usr: bytes that compress as real layers do. */
import { createCipheriv } from "node:crypto";
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { time } from "./measure.ts";
import { noughtPrefix } from "./tools.ts";

export interface Sizes {
  /** Bytes of each of the large layers. */
  readonly layerBytes: number;
  readonly layers: number;
  /** Layers of `smallBytes`. */
  readonly small: number;
  readonly smallBytes: number;
}

export const FULL: Sizes = { layerBytes: 200_000_000, layers: 5, small: 200, smallBytes: 20_000 };
export const SMOKE: Sizes = { layerBytes: 4_000_000, layers: 5, small: 20, smallBytes: 2_000 };

/** `usr`: files of /usr one after the other. `noise`: the same, encrypted, which no compressor makes smaller. `small`: many layers. */
export type ImageName = "usr" | "noise" | "small";

/** Builds an image with nought into `store`, each layer a COPY of one file, and gives its name there. */
export function makeImage(name: ImageName, sizes: Sizes, work: string, store: string): string {
  const dir = join(work, `context-${name}`);
  mkdirSync(dir, { recursive: true });
  const count = name === "small" ? sizes.small : sizes.layers;
  const bytes = usrBytes(name === "small" ? 1_000_000 : 0);
  const cipher = name === "noise" ? createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16)) : undefined;
  const lines = ["FROM scratch"];
  for (let k = 0; k < count; k++) {
    const file = openSync(join(dir, `part-${k}`), "w");
    for (let left = name === "small" ? sizes.smallBytes : sizes.layerBytes; left > 0; ) {
      const piece = bytes.next().value.subarray(0, left);
      writeSync(file, cipher ? cipher.update(piece) : piece);
      left -= piece.length;
    }
    closeSync(file);
    lines.push(`COPY part-${k} /part-${k}`);
  }
  writeFileSync(join(dir, "Dockerfile"), `${lines.join("\n")}\n`);
  time([...noughtPrefix(), "--store", store, "build", "-q", "-t", `bench-${name}`, dir]);
  return `bench-${name}`;
}

/** Files of /usr in order of their names, from the beginning again when they end. Files of more than `most` bytes are left out; 0: none. */
function* usrBytes(most: number): Generator<Buffer, never> {
  for (;;) {
    for (const path of filesBelow("/usr")) {
      const { size } = lstatSync(path);
      if (size === 0 || (most > 0 && size > most) || size > 1 << 30) continue;
      yield readFileSync(path);
    }
  }
}

function* filesBelow(dir: string): Generator<string> {
  for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}
