/** The contexts that the cases build, made outside the timed part. Every one has bytes of its own, so that no tool has seen them before. */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export type CaseName = "a" | "b" | "c" | "e";

/** How much each case holds. Bytes and numbers of files. */
export interface Sizes {
  readonly fileBytes: number;
  readonly files: number;
  readonly smallBytes: number;
  readonly stages: number;
  readonly stageFiles: number;
}

export const FULL: Sizes = { fileBytes: 200_000_000, files: 50_000, smallBytes: 2_048, stages: 10, stageFiles: 500 };
export const SMOKE: Sizes = { fileBytes: 8_000_000, files: 1_500, smallBytes: 2_048, stages: 10, stageFiles: 20 };

export interface Context {
  readonly dir: string;
  /** Bytes of all files that end in the image's layers, counted once. */
  readonly bytes: number;
  /** Files that the image of the last stage must have. */
  readonly files: number;
  /** Changes one file without changing its size. */
  change(): void;
}

const OLD = 1_600_000_000;

/** Bytes that differ with `salt` and do not compress to nothing, made faster than the disk writes them. */
function noise(salt: string, bytes: number): Buffer {
  const block = Buffer.concat(Array.from({ length: 256 }, (_, k) => createHash("sha512").update(`${salt}${k}`).digest()));
  return Buffer.alloc(bytes, block);
}

function write(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes);
  utimesSync(path, OLD, OLD);
}

function tiny(dir: string, salt: string): Context {
  write(join(dir, "app"), noise(salt, 1_000));
  writeFileSync(join(dir, "Dockerfile"), 'FROM scratch\nCOPY app /app\nENTRYPOINT ["/app"]\n');
  return { dir, bytes: 1_000, files: 1, change: () => writeFileSync(join(dir, "app"), noise(`${salt}!`, 1_000)) };
}

function large(dir: string, salt: string, sizes: Sizes): Context {
  const path = join(dir, "large");
  const file = openSync(path, "w");
  const chunk = 1 << 20;
  for (let left = sizes.fileBytes, k = 0; left > 0; left -= chunk, k++) writeSync(file, noise(`${salt}${k}`, Math.min(chunk, left)));
  closeSync(file);
  utimesSync(path, OLD, OLD);
  writeFileSync(join(dir, "Dockerfile"), "FROM scratch\nCOPY large /large\n");
  const change = () => {
    const again = openSync(path, "r+");
    writeSync(again, randomBytes(64), 0, 64, Math.floor(sizes.fileBytes / 2));
    closeSync(again);
  };
  return { dir, bytes: sizes.fileBytes, files: 1, change };
}

function many(dir: string, salt: string, sizes: Sizes): Context {
  const base = noise(salt, sizes.smallBytes);
  for (let k = 0; k < sizes.files; k++) {
    const folder = join(dir, "src", `d${Math.floor(k / 100)}`);
    if (k % 100 === 0) mkdirSync(folder, { recursive: true });
    base.write(`${salt} ${k}\n`, 0);
    write(join(folder, `f${k}`), base);
  }
  writeFileSync(join(dir, "Dockerfile"), "FROM scratch\nCOPY src /src\n");
  const change = () => {
    base.write(`${salt} changed ${randomBytes(8).toString("hex")}\n`, 0);
    writeFileSync(join(dir, "src", "d0", "f50"), base);
  };
  return { dir, bytes: sizes.files * sizes.smallBytes, files: sizes.files, change };
}

function stages(dir: string, salt: string, sizes: Sizes): Context {
  const lines: string[] = [];
  for (let k = 0; k < sizes.stages; k++) {
    const folder = join(dir, `s${k}`);
    mkdirSync(folder);
    for (let n = 0; n < sizes.stageFiles; n++) write(join(folder, `f${n}`), noise(`${salt}${k} ${n}`, sizes.smallBytes));
    lines.push(`FROM scratch AS stage${k}`, ...(k > 0 ? [`COPY --from=stage${k - 1} / /`] : []), `COPY s${k} /s${k}`);
  }
  writeFileSync(join(dir, "Dockerfile"), `${lines.join("\n")}\n`);
  const files = sizes.stages * sizes.stageFiles;
  return {
    dir,
    bytes: files * sizes.smallBytes,
    files,
    change: () => writeFileSync(join(dir, "s0", "f0"), noise(`${salt}!`, sizes.smallBytes)),
  };
}

/** Makes one context below `root` in a folder of a name of its own, and waits until it is on the disk. */
export function makeContext(name: CaseName, root: string, salt: string, sizes: Sizes): Context {
  const dir = join(root, `context-${name}-${salt}`);
  mkdirSync(dir, { recursive: true });
  const context =
    name === "a"
      ? tiny(dir, salt)
      : name === "b"
        ? large(dir, salt, sizes)
        : name === "c"
          ? many(dir, salt, sizes)
          : stages(dir, salt, sizes);
  spawnSync("sync");
  return context;
}
