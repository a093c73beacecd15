/**
 * Images moved by nought and its peers, side by side: `node bench/transfers.ts [--images usr,noise,small] [--peers skopeo,crane,skopeo-unpack,docker]
 * [--rounds N] [--smoke] [--work FOLDER] [--json FILE]`. Registries on loopback, fresh ones for whatever is pushed. See bench/README.md.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "./machine.ts";
import { median, time } from "./measure.ts";
import { type Mover, mover } from "./movers.ts";
import { type BenchRegistry, registryName, startRegistry } from "./registry.ts";
import { lay } from "./table.ts";
import { noughtPrefix } from "./tools.ts";
import { FULL, type ImageName, makeImage, SMOKE } from "./transfer-images.ts";
import { type Whole, whole } from "./whole.ts";

const { values: flags } = parseArgs({
  options: {
    images: { type: "string", default: "usr,noise,small" },
    peers: { type: "string" },
    rounds: { type: "string" },
    smoke: { type: "boolean", default: false },
    work: { type: "string" },
    json: { type: "string" },
  },
});
const sizes = flags.smoke ? SMOKE : FULL;
const rounds = Number(flags.rounds ?? (flags.smoke ? 1 : 3));
const images = flags.images.split(",") as ImageName[];
if (!images.every((name) => ["usr", "noise", "small"].includes(name)) || !(rounds >= 1)) {
  console.error("bench: --images is a list of usr, noise, small; --rounds a number from 1");
  process.exit(2);
}
const work = mkdtempSync(join(flags.work ?? tmpdir(), "nought-bench-move-"));
const plain = join(work, "plain");
const movers: Mover[] = [];
for (const name of ["nought", ...(flags.peers ?? (flags.smoke ? "" : "skopeo,crane,skopeo-unpack,docker")).split(",").filter(Boolean)]) {
  const found = mover(name);
  if (typeof found === "string") console.log(`left out: ${found}`);
  else movers.push(found);
}

const rows = new Map<string, Map<string, Whole[]>>();
let folders = 0;
const fresh = () => {
  const dir = join(work, String(folders++));
  mkdirSync(dir);
  return dir;
};

/** One process of a tool, noted under its row. What is dirty goes to the disk first, so that nobody pays for another's bytes. */
async function measure(row: string, tool: Mover, command: readonly string[] | undefined): Promise<void> {
  if (!command) return;
  const byTool = rows.get(row) ?? new Map<string, Whole[]>();
  rows.set(row, byTool);
  spawnSync("sync");
  byTool.set(tool.name, [...(byTool.get(tool.name) ?? []), await whole(command)]);
}

/** All that one tool does with one image: pulls it into nothing, again, pushes it to an empty registry, again, and copies between registries. */
async function round(name: ImageName, tool: Mover, source: BenchRegistry, layout: string): Promise<void> {
  const state = fresh();
  const ref = `${source.host}/bench/${name}:1`;
  const targets: BenchRegistry[] = [];
  const target = async () => {
    const one = await startRegistry(fresh());
    targets.push(one);
    return `${one.host}/bench/${name}:1`;
  };
  try {
    await measure(`${name} pull`, tool, tool.pull(ref, state));
    if (tool.push) {
      const to = await target();
      await measure(`${name} push`, tool, tool.push(ref, to, state));
      await measure(`${name} push again`, tool, tool.push(ref, to, state));
    }
    // After the push: crane's layout lists the image a second time then, and no push of its likes that.
    if (!tool.daemon) await measure(`${name} pull again`, tool, tool.pull(ref, state));
    if (tool.copy) await measure(`${name} copy`, tool, tool.copy(ref, await target()));
    if (tool.pack && name !== "noise") {
      const store = join(state, "plain");
      if (tool.name === "nought") cloneStore(plain, store);
      await measure(`${name} push plain`, tool, tool.pack({ store, name: `bench-${name}`, layout }, await target()));
    }
  } finally {
    for (const one of targets) await one.close();
    if (tool.forget) spawnSync(tool.forget(ref)[0] as string, tool.forget(ref).slice(1));
    unmountBelow(state);
    rmSync(state, { recursive: true, force: true });
  }
}

/** skopeo leaves its storage mounted, in a root of its own perhaps. */
function unmountBelow(dir: string): void {
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const at = line.split(" ")[1] ?? "";
    if (at.includes(`${dir}/`)) spawnSync("umount", [at]);
  }
}

/** A store that has packed nothing yet: large files are shared, what nought appends to is copied. */
function cloneStore(from: string, to: string): void {
  mkdirSync(to, { mode: statSync(from).mode });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) cloneStore(source, target);
    else if (statSync(source).size > 1 << 16) linkSync(source, target);
    else copyFileSync(source, target);
  }
}

async function runImage(name: ImageName): Promise<void> {
  const source = await startRegistry(fresh());
  const failed = new Set<string>();
  try {
    const made = makeImage(name, sizes, work, plain);
    const layout = join(work, `layout-${name}`);
    time([...noughtPrefix(), "--store", plain, "copy", "-q", made, `oci:${layout}`]);
    const packing = join(work, `packed-${name}`);
    cloneStore(plain, packing);
    time([...noughtPrefix(), "--store", packing, "copy", "-q", made, `docker://${source.host}/bench/${name}:1`]);
    rmSync(packing, { recursive: true });
    for (let turn = 0; turn < rounds; turn++)
      for (let k = 0; k < movers.length; k++) {
        const tool = movers[(k + turn) % movers.length] as Mover;
        if (failed.has(tool.name)) continue;
        try {
          await round(name, tool, source, layout);
        } catch (error) {
          if (tool === movers[0]) throw error;
          failed.add(tool.name);
          console.log(`${tool.name} goes no further with ${name}: ${(error as Error).message}`);
        }
      }
  } finally {
    await source.close();
  }
}

/** Milliseconds of wall time with nought's ratio to the faster of skopeo and crane, then processors' time, then peaks of memory. */
function print(): void {
  const names = movers.map((tool) => tool.name);
  const value = (row: string, name: string, key: keyof Whole) => {
    const tool = movers.find((one) => one.name === name);
    const list = key !== "ms" && tool?.daemon ? undefined : rows.get(row)?.get(name);
    return list && median(list.map((one) => one[key]));
  };
  const table = (title: string, key: keyof Whole, ratio: boolean, unit = 1) => {
    const lines = [...rows.keys()].map((row) => {
      const rivals = ["skopeo", "crane"].flatMap((name) => value(row, name, key) ?? []);
      const own = value(row, "nought", key) as number;
      const last = ratio && rivals.length > 0 ? [(own / Math.min(...rivals)).toFixed(2)] : ratio ? ["–"] : [];
      return [row, ...names.map((name) => ((value(row, name, key) ?? Number.NaN) / unit).toFixed(0).replace("NaN", "–")), ...last];
    });
    console.log(`\n${lay([[title, ...names, ...(ratio ? ["nought / faster of skopeo, crane"] : [])], ...lines])}`);
  };
  table("wall ms", "ms", true);
  table("CPU ms", "cpuMs", true);
  table("peak MB", "peakKB", false, 1024);
  console.log("");
  for (const tool of movers) console.log(`pulled by ${tool.name}: ${tool.pulls}`);
}

try {
  for (const [key, fact] of Object.entries(machine(work))) console.log(`${key}: ${fact}`);
  console.log(`registry: ${registryName()}\nrounds: ${rounds}, sizes: ${JSON.stringify(sizes)}`);
  for (const name of images) await runImage(name);
  print();
  const { memoryMB } = JSON.parse(readFileSync(join(import.meta.dirname, "budgets.json"), "utf8")).transfers;
  const above = [...rows].filter(([, byTool]) => median((byTool.get("nought") ?? []).map((one) => one.peakKB)) > memoryMB * 1024);
  console.log(
    `aim: nought / faster at most 1, memory below ${memoryMB} MB${above.length > 0 ? `; above it: ${above.map(([row]) => row).join(", ")}` : ""}`,
  );
  if (flags.json)
    writeFileSync(
      flags.json,
      `${JSON.stringify(Object.fromEntries([...rows].map(([row, byTool]) => [row, Object.fromEntries(byTool)])), null, 2)}\n`,
    );
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
