/**
 * Images from Debian packages by nought, mmdebstrap and debootstrap, side by side: `node bench/bases.ts [--images static,python,debian] [--suite trixie]
 * [--peers mmdebstrap,debootstrap] [--rounds N] [--work FOLDER] [--json FILE]`. Every tool fetches through one proxy on loopback that has all files already. See
 * bench/README.md.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readAptConf } from "../src/debian/apt-conf.ts";
import { chooseSites } from "../src/debian/site.ts";
import { machine } from "./machine.ts";
import { cpuTime, median, meter, time, type Use } from "./measure.ts";
import { noughtPrefix, peerPrefix } from "./tools.ts";

const { values: flags } = parseArgs({
  options: {
    images: { type: "string", default: "static,python,debian" },
    suite: { type: "string", default: "trixie" },
    peers: { type: "string", default: "mmdebstrap,debootstrap" },
    rounds: { type: "string", default: "3" },
    work: { type: "string" },
    json: { type: "string" },
  },
});

function words(text: string): readonly string[] {
  return text.split(" ");
}

/** What a peer is asked for: the packages that the recipe of the image names, and what they need. */
const NAMED: Readonly<Record<string, { readonly variant: string; readonly packages: readonly string[] }>> = {
  static: { variant: "extract", packages: words("base-files ca-certificates media-types netbase tzdata") },
  python: {
    variant: "extract",
    packages: words("base-files ca-certificates media-types netbase tzdata libc6 libc-bin libgcc-s1 libgomp1 libstdc++6 python3"),
  },
  debian: { variant: "minbase", packages: [] },
};
const AIM = 0.2;

const rounds = Number(flags.rounds);
const images = flags.images.split(",").filter(Boolean);
if (!(rounds >= 1) || !images.every((name) => Object.hasOwn(NAMED, name))) {
  console.error(`bench: --images is a list of ${Object.keys(NAMED).join(", ")}; --rounds a number from 1`);
  process.exit(2);
}
const work = mkdtempSync(join(flags.work ?? tmpdir(), "nought-bench-bases-"));
const sites = chooseSites({ suite: flags.suite, cacheDir: "" }, readAptConf("/"), () => {});
const lines = sites.flatMap(({ suite, roots, components }) => {
  const [root] = roots;
  return root === undefined ? [] : [`deb ${root} ${suite} ${components.join(" ")}`];
});

interface Peer {
  readonly name: string;
  /** Undefined: it does not make such an image. `fresh` is a folder of this run alone. */
  command(image: string, fresh: string): readonly string[] | undefined;
}

function context(name: string, lines: readonly string[]): string {
  const dir = join(work, name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "Dockerfile"), `${lines.join("\n")}\n`);
  writeFileSync(join(dir, "file"), "one file\n");
  return dir;
}

const nought: Peer = {
  name: "nought",
  command: (image, fresh) => [
    ...noughtPrefix(),
    "--store",
    join(fresh, "store"),
    "build",
    "-q",
    context(image, [`FROM nought/${image}:${flags.suite}`]),
  ],
};

/** Both need root to own files as packages say; mmdebstrap can do without. */
function peerNamed(name: string, prefix: readonly string[]): Peer | undefined {
  if (name === "mmdebstrap") {
    const command = (image: string, fresh: string) => {
      const { variant, packages } = NAMED[image] as { variant: string; packages: readonly string[] };
      const include = packages.length > 0 ? [`--include=${packages.join(",")}`] : [];
      return [...prefix, "--quiet", `--variant=${variant}`, ...include, flags.suite, join(fresh, "root.tar"), ...lines];
    };
    return { name, command };
  }
  if (name !== "debootstrap") return undefined;
  const [root = ""] = sites[0]?.roots ?? [];
  const script =
    'd=$1; s=$2; r=$3; shift 3; "$@" --variant=minbase "$s" "$d/root" "$r" >/dev/null && tar -C "$d/root" --one-file-system -cf "$d/root.tar" .';
  return {
    name,
    command: (image, fresh) => (image === "debian" ? ["sh", "-c", script, "sh", fresh, flags.suite, root, ...prefix] : undefined),
  };
}

const peers: Peer[] = [nought];
for (const name of flags.peers.split(",").filter(Boolean)) {
  const prefix = peerPrefix(name);
  const peer = prefix && peerNamed(name, prefix);
  if (peer) peers.push(peer);
  else console.log(`left out: ${name}: not on PATH and no NOUGHT_BENCH_${name.toUpperCase()}`);
}

/** The proxy of a process of its own, and the environment in which tools use it. */
async function startProxy(): Promise<{ readonly env: NodeJS.ProcessEnv; fetched(): Promise<number>; end(): void }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "apt-proxy.ts"), join(work, "proxy")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
    child.once("exit", () => reject(new Error("the proxy ended")));
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    env: { http_proxy: url, no_proxy: "", NO_PROXY: "", TMPDIR: work },
    fetched: async () => Number(await (await fetch(`${url}/fetched`)).text()),
    end: () => child.stdin.end(),
  };
}

const rows = new Map<string, Map<string, number[]>>();
const cpu = new Map<string, Map<string, number[]>>();
const uses = new Map<string, Use>();

function note(table: Map<string, Map<string, number[]>>, row: string, tool: string, ms: number): void {
  const byTool = table.get(row) ?? new Map<string, number[]>();
  byTool.set(tool, [...(byTool.get(tool) ?? []), ms]);
  table.set(row, byTool);
}

function run(peer: Peer, image: string, label: string, env: NodeJS.ProcessEnv, row?: string): void {
  const fresh = join(work, `${peer.name}-${label}`);
  mkdirSync(fresh);
  const command = peer.command(image, fresh);
  if (!command) return;
  const before = cpuTime();
  const ms = time(command, env);
  if (row) {
    note(rows, row, peer.name, ms);
    note(cpu, row, peer.name, cpuTime() - before);
  }
  rmSync(fresh, { recursive: true, force: true });
}

function lay(table: Map<string, Map<string, number[]>>, title: string, aims: boolean): void {
  const names = peers.map((peer) => peer.name);
  const head = [title, ...names, ...names.slice(1).map((name) => `nought / ${name}`), ...(aims ? ["aim"] : [])];
  const lines = [...table].map(([row, byTool]) => {
    const values = names.map((name) => (byTool.has(name) ? median(byTool.get(name) as number[]) : undefined));
    const ratios = values.slice(1).map((one) => (one === undefined ? undefined : (values[0] as number) / one));
    const of = ratios[names.slice(1).indexOf("mmdebstrap")];
    const verdict = !aims || of === undefined ? [] : [`${AIM} ${of <= AIM ? "met" : "MISSED"}`];
    return [row, ...values.map((one) => one?.toFixed(0) ?? "–"), ...ratios.map((one) => one?.toFixed(3) ?? "–"), ...verdict];
  });
  const widths = head.map((_, k) => Math.max(...[head, ...lines].map((cells) => (cells[k] ?? "").length)));
  for (const cells of [head, ...lines])
    console.log(cells.map((cell, k) => (k === 0 ? cell.padEnd(widths[k] as number) : cell.padStart(widths[k] as number))).join("  "));
  console.log("");
}

/** What a FROM of an image that is in the store adds to a build, milliseconds: alternating, both with one file that is new every time. */
function warm(image: string, env: NodeJS.ProcessEnv): void {
  const store = ["--store", join(work, "warm")];
  const bases = { scratch: "FROM scratch", [image]: `FROM nought/${image}:${flags.suite}` };
  const dirs = Object.entries(bases).map(([name, from]) => [name, context(`warm-${name}`, [from, "COPY file /file"])] as const);
  for (let round = -1; round < Math.max(15, 3 * rounds); round++)
    for (const [name, dir] of round % 2 === 0 ? dirs : [...dirs].reverse()) {
      writeFileSync(join(dir, "file"), `round ${round}\n`);
      const ms = time([...noughtPrefix(), ...store, "build", "-q", dir], env);
      if (round >= 0) note(rows, `warm, FROM ${name}`, "nought", ms);
    }
  const of = (name: string) => median(rows.get(`warm, FROM ${name}`)?.get("nought") ?? []);
  const more = of(image) - of("scratch");
  console.log(
    `FROM nought/${image} adds ${more.toFixed(1)} ms to a build FROM scratch of ${of("scratch").toFixed(1)} ms (aim 10: ${more < 10 ? "met" : "MISSED"})`,
  );
}

const proxy = await startProxy();
try {
  for (const [key, fact] of Object.entries(machine(work))) console.log(`${key}: ${fact}`);
  console.log(`suite: ${flags.suite}, rounds: ${rounds}\n`);
  // Nothing that is fetched from the mirror itself is in a figure.
  for (const image of images) for (const peer of peers) run(peer, image, `fill-${image}`, proxy.env);
  const filled = await proxy.fetched();
  for (const image of images)
    for (let round = 0; round < rounds; round++)
      for (let k = 0; k < peers.length; k++) run(peers[(k + round) % peers.length] as Peer, image, `${image}-${round}`, proxy.env, image);
  for (const image of images) {
    const dir = context(image, [`FROM nought/${image}:${flags.suite}`]);
    uses.set(image, meter([...noughtPrefix(), "--store", join(work, `metered-${image}`), "build", "-q", dir], proxy.env));
  }
  if ((await proxy.fetched()) !== filled) console.log("the mirror was asked while it was measured: the figures are not good\n");
  lay(rows, "ms", true);
  lay(cpu, "CPU ms", false);
  for (const [image, { rssKB, cpuMs }] of uses)
    console.log(`nought/${image}: peak ${(rssKB / 1024).toFixed(0)} MB, ${cpuMs.toFixed(0)} ms of CPU`);
  warm("static", proxy.env);
  if (flags.json) {
    const plain = (table: typeof rows) => Object.fromEntries([...table].map(([row, byTool]) => [row, Object.fromEntries(byTool)]));
    writeFileSync(
      flags.json,
      `${JSON.stringify({ facts: machine(work), times: plain(rows), cpu: plain(cpu), uses: Object.fromEntries(uses) }, null, 2)}\n`,
    );
  }
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  proxy.end();
  rmSync(work, { recursive: true, force: true });
}
