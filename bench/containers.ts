/**
 * RUN, run and exec by nought and its peers, side by side: `node bench/containers.ts [--peers docker,buildah,podman] [--rounds N] [--go IMAGE [--go-archive FILE]]
 * [--work FOLDER]`. A row is the median of whole processes; "per RUN" is what nineteen more steps cost, divided. See bench/README.md.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "./machine.ts";
import { median, time } from "./measure.ts";
import { noughtPrefix, peerPrefix } from "./tools.ts";

const { values: flags } = parseArgs({
  options: {
    peers: { type: "string", default: "docker,buildah,podman" },
    rounds: { type: "string", default: "5" },
    go: { type: "string" },
    "go-archive": { type: "string" },
    work: { type: "string" },
    busybox: { type: "string", default: "/bin/busybox" },
  },
});
const rounds = Number(flags.rounds);
const work = mkdtempSync(join(flags.work ?? tmpdir(), "nought-bench-run-"));

/** How each tool is told to do the same. Undefined: it does not do that. */
interface Peer {
  readonly name: string;
  build(dir: string, more?: readonly string[]): readonly string[];
  run?(words: readonly string[]): readonly string[];
  exec?(id: string, words: readonly string[]): readonly string[];
  remove?(id: string): readonly string[];
  load?(archive: string): readonly string[];
}

const store = join(work, "store");
const mine = [...noughtPrefix(), "--store", store];
const peers: Peer[] = [
  {
    name: "nought",
    build: (dir, more = []) => [...mine, "build", "-q", "-t", "bench-base", "--network=none", ...more, dir],
    run: (words) => [...mine, "run", "--network=none", ...words],
    exec: (id, words) => [...mine, "exec", id, ...words],
    remove: (id) => [...mine, "rm", "-f", id],
    load: (archive) => [...mine, "load", "-q", "-i", archive],
  },
];
for (const name of flags.peers.split(",").filter(Boolean)) {
  const prefix = peerPrefix(name);
  if (!prefix) {
    console.log(`left out: ${name}: not on PATH and no NOUGHT_BENCH_${name.toUpperCase()}`);
    continue;
  }
  if (name === "buildah") {
    peers.push({
      name,
      build: (dir, more = []) => [
        ...prefix,
        "bud",
        "-q",
        "--layers",
        "--isolation",
        "chroot",
        "--network=host",
        ...more,
        "-t",
        "bench-base",
        dir,
      ],
    });
    continue;
  }
  peers.push({
    name,
    build: (dir, more = []) => [...prefix, "build", "-q", "--network=none", ...more, "-t", "bench-base", dir],
    run: (words) => [...prefix, "run", "--network=none", ...words],
    exec: (id, words) => [...prefix, "exec", id, ...words],
    remove: (id) => [...prefix, "rm", "-f", id],
    load: (archive) => [...prefix, "load", "-q", "-i", archive],
  });
}

const rows = new Map<string, Map<string, number[]>>();

function note(row: string, tool: string, ms: number): void {
  const byTool = rows.get(row) ?? new Map<string, number[]>();
  byTool.set(tool, [...(byTool.get(tool) ?? []), ms]);
  rows.set(row, byTool);
}

/** Every tool once per round, in an order that turns. A tool that cannot is left out of that row, with its reason. */
function measure(row: string, command: (peer: Peer, round: number) => readonly string[] | undefined, before?: (peer: Peer) => void): void {
  const dead = new Set<string>();
  for (let round = 0; round < rounds; round++)
    for (let k = 0; k < peers.length; k++) {
      const peer = peers[(k + round) % peers.length] as Peer;
      const words = dead.has(peer.name) ? undefined : command(peer, round);
      if (!words) continue;
      try {
        before?.(peer);
        note(row, peer.name, time(words));
      } catch (error) {
        dead.add(peer.name);
        console.log(`left out of "${row}": ${peer.name}: ${(error as Error).message.split("\n").slice(-2).join(" ")}`);
      }
    }
}

/** A context whose Dockerfile has so many RUNs of nothing. */
function steps(count: number): string {
  const dir = join(work, `run-${count}`);
  mkdirSync(dir, { recursive: true });
  copyFileSync(flags.busybox, join(dir, "busybox"));
  chmodSync(join(dir, "busybox"), 0o755);
  writeFileSync(join(dir, "Dockerfile"), `FROM scratch\nCOPY busybox /bin/busybox\n${'RUN ["/bin/busybox", "true"]\n'.repeat(count)}`);
  return dir;
}

function goProject(image: string): { readonly dir: string; change(round: number): void } {
  const dir = join(work, "go");
  mkdirSync(dir);
  const source = (text: string) =>
    writeFileSync(
      join(dir, "main.go"),
      `package main\n\nimport (\n\t"fmt"\n\t"net/http"\n)\n\nfunc main() {\n\tfmt.Println("${text}", http.StatusOK)\n}\n`,
    );
  source("first");
  writeFileSync(join(dir, "go.mod"), "module example.com/bench\n\ngo 1.19\n");
  writeFileSync(
    join(dir, "Dockerfile"),
    `FROM ${image} AS builder\nWORKDIR /src\nCOPY go.mod ./\nRUN go mod download\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /app\nFROM scratch\nCOPY --from=builder /app /app\nENTRYPOINT ["/app"]\n`,
  );
  return { dir, change: (round) => source(`changed ${round} ${process.pid}`) };
}

function print(): void {
  const names = peers.map((peer) => peer.name);
  const head = ["ms", ...names, ...names.slice(1).map((name) => `nought / ${name}`)];
  const value = (row: string, name: string) => {
    const list = rows.get(row)?.get(name);
    return list && median(list);
  };
  const line = (label: string, of: (name: string) => number | undefined) => {
    const values = names.map(of);
    const [own] = values;
    const ratios = values.slice(1).map((one) => (own === undefined || one === undefined ? "–" : (own / one).toFixed(3)));
    return [label, ...values.map((one) => one?.toFixed(1) ?? "–"), ...ratios];
  };
  const lines = [...rows.keys()].map((row) => line(row, (name) => value(row, name)));
  lines.push(
    line("per RUN", (name) => {
      const [one, twenty] = [value("1 RUN", name), value("20 RUN", name)];
      return one === undefined || twenty === undefined ? undefined : (twenty - one) / 19;
    }),
  );
  const widths = head.map((_, k) => Math.max(...[head, ...lines].map((cells) => (cells[k] ?? "").length)));
  for (const cells of [head, ...lines])
    console.log(cells.map((cell, k) => (k === 0 ? cell.padEnd(widths[k] as number) : cell.padStart(widths[k] as number))).join("  "));
  const bare = median(Array.from({ length: 20 }, () => time([join(work, "run-1/busybox"), "true"])));
  console.log(
    `\nthe bare program: ${bare.toFixed(1)} ms; run --rm is ${((value("run --rm", "nought") ?? Number.NaN) - bare).toFixed(1)} ms more`,
  );
}

try {
  for (const [key, fact] of Object.entries(machine(work))) console.log(`${key}: ${fact}`);
  console.log(`rounds: ${rounds}\n`);
  for (const count of [1, 20]) measure(`${count} RUN`, (peer) => peer.build(steps(count), ["--no-cache"]));
  measure("run --rm", (peer) => peer.run?.(["--rm", "bench-base", "/bin/busybox", "true"]));
  const sleeper = (peer: Peer) => {
    if (!peer.run || !peer.remove) return;
    spawnSync(peer.remove("bench-sleeper")[0] as string, peer.remove("bench-sleeper").slice(1));
    time(peer.run(["-d", "--name", "bench-sleeper", "bench-base", "/bin/busybox", "sleep", "60"]));
  };
  measure("exec", (peer) => peer.exec?.("bench-sleeper", ["/bin/busybox", "true"]), sleeper);
  if (flags.go) {
    const project = goProject(flags.go);
    const archive = flags["go-archive"];
    if (archive) for (const peer of peers) if (peer.load) time(peer.load(archive));
    measure("go build, cold", (peer) => peer.build(project.dir, ["--no-cache"]));
    measure("go build, one file changed", (peer, round) => (project.change(round), peer.build(project.dir)));
  }
  print();
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  for (const peer of peers) if (peer.remove) spawnSync(peer.remove("bench-sleeper")[0] as string, peer.remove("bench-sleeper").slice(1));
  rmSync(work, { recursive: true, force: true });
}
