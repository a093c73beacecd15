/**
 * Whole builds by nought and its peers, side by side: `node bench/run.ts [--cases a,b,c,d,e] [--peers docker,buildah] [--rounds N] [--smoke]
 * [--work FOLDER] [--json FILE]`. See bench/README.md.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { type CaseName, type Context, FULL, makeContext, SMOKE } from "./contexts.ts";
import { machine } from "./machine.ts";
import { median, meter, time, type Use } from "./measure.ts";
import { proveImage } from "./prove.ts";
import { renderTable, renderUse } from "./table.ts";
import { nought, noughtUsed, peer, type Tool } from "./tools.ts";

const { values: flags } = parseArgs({
  options: {
    cases: { type: "string", default: "a,b,c,d,e" },
    peers: { type: "string", default: "docker,buildah" },
    rounds: { type: "string" },
    smoke: { type: "boolean", default: false },
    work: { type: "string" },
    json: { type: "string" },
  },
});
const sizes = flags.smoke ? SMOKE : FULL;
const rounds = Number(flags.rounds ?? (flags.smoke ? 1 : 3));
const wanted = new Set(flags.cases.split(","));
if (![...wanted].every((name) => "abcde".includes(name) && name.length === 1) || !(rounds >= 1)) {
  console.error("bench: --cases is a list of a, b, c, d, e; --rounds a number from 1");
  process.exit(2);
}
// Nothing is deleted between runs: ext4 is slow for a while in folders where many files have just gone.
const work = mkdtempSync(join(flags.work ?? tmpdir(), "nought-bench-"));
const tools: Tool[] = [nought(work), noughtUsed(work)];
const peers = flags.smoke && process.argv.every((word) => !word.startsWith("--peers")) ? [] : flags.peers.split(",").filter(Boolean);
for (const name of peers) {
  const found = peer(name, work);
  if (typeof found === "string") console.log(`left out: ${found}`);
  else tools.push(found);
}

/** Medians by row (`b same`) and tool name. */
const times = new Map<string, Map<string, number[]>>();
const uses = new Map<string, Use & { readonly bytes: number }>();

/** Every tool once, in an order that turns with the round. */
function all(row: string, round: number, context: Context, label: string): void {
  for (let k = 0; k < tools.length; k++) {
    const tool = tools[(k + round) % tools.length] as Tool;
    const ms = time(tool.command(context.dir, label), tool.env);
    const byTool = times.get(row) ?? new Map<string, number[]>();
    byTool.set(tool.name, [...(byTool.get(tool.name) ?? []), ms]);
    times.set(row, byTool);
  }
}

/** One more nought with the meter inside, into a store of its own (cold) or the one it has just filled. */
function metered(row: string, context: Context, label: string): void {
  uses.set(row, { ...meter((tools[0] as Tool).command(context.dir, label)), bytes: context.bytes });
}

function runCase(name: CaseName): void {
  for (let round = 0; round < rounds; round++) {
    const label = `${name}${round}-${Date.now().toString(36)}`;
    const context = makeContext(name, work, label, sizes);
    const changes: readonly string[] = name === "c" ? (wanted.has("d") ? ["d one"] : []) : name === "b" ? ["b changed"] : [];
    all(`${name} cold`, round, context, label);
    all(`${name} same`, round, context, label);
    if (round === 0) {
      metered(`${name} cold`, context, `${label}-metered`);
      metered(`${name} same`, context, `${label}-metered`);
    }
    for (const row of changes) {
      context.change();
      all(row, round, context, label);
      if (round === 0) metered(row, context, `${label}-metered`);
    }
    if (flags.smoke) proveImage(context, work, label);
  }
  if (name === "c" && !wanted.has("c")) for (const row of ["c cold", "c same"]) times.delete(row);
}

try {
  const facts = machine(work);
  for (const [key, value] of Object.entries(facts)) console.log(`${key}: ${value}`);
  console.log(`rounds: ${rounds}, sizes: ${JSON.stringify(sizes)}`);
  for (const name of ["a", "b", "c", "e"] as const) if (wanted.has(name) || (name === "c" && wanted.has("d"))) runCase(name);
  const medians = Object.fromEntries(
    [...times].map(([row, byTool]) => [row, Object.fromEntries([...byTool].map(([tool, list]) => [tool, median(list)]))]),
  );
  const budgets = JSON.parse(readFileSync(join(import.meta.dirname, "budgets.json"), "utf8"));
  console.log(`\n${renderTable(medians, tools, flags.smoke ? {} : budgets.docker)}`);
  console.log(`${renderUse(uses, flags.smoke ? {} : budgets)}`);
  for (const tool of tools) console.log(`cold for ${tool.name}: ${tool.cold}`);
  if (flags.json)
    writeFileSync(
      flags.json,
      `${JSON.stringify({ facts, sizes, rounds, medians, times: Object.fromEntries([...times].map(([row, m]) => [row, Object.fromEntries(m)])), uses: Object.fromEntries(uses) }, null, 2)}\n`,
    );
  if (flags.smoke) console.log("smoke: every image held what its context held");
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  cleanUp();
}

/** Moves the work folder out of the way at once and removes it at the end; buildah leaves its storage mounted. */
function cleanUp(): void {
  const trash = `${work}-done`;
  renameSync(work, trash);
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const dir = line.split(" ")[1];
    if (dir?.includes(basename(trash))) spawnSync("umount", ["-l", dir]);
  }
  try {
    rmSync(trash, { recursive: true, force: true });
  } catch (error) {
    console.error(`bench: ${trash} stays behind: ${(error as Error).message}`);
  }
}
