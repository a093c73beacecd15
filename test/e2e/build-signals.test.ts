import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertTidy, assertWhole, context, digestOfName } from "../builds.ts";
import { program } from "../program.ts";

const nought = await program();
const store = nought.env["NOUGHT_STORE"] as string;
nought.write(context("anchor", 5000));
nought.out("build", "-q", "-t", "app", "anchor");
const anchor = await digestOfName(store, "app");
const at = (path: string) => join(nought.dir, path);

/** A context with a file that takes long to read, and takes no room. */
function sparse(name: string, bytes: number): void {
  mkdirSync(at(name), { recursive: true });
  writeFileSync(at(`${name}/Dockerfile`), "FROM scratch\nCOPY huge /\n");
  writeFileSync(at(`${name}/huge`), "");
  truncateSync(at(`${name}/huge`), bytes);
}

/** Starts nought, sends signals after so many milliseconds each, and tells how it ended. */
async function interrupted(args: readonly string[], signals: readonly (readonly [number, NodeJS.Signals])[]) {
  const child = nought.start(args);
  let err = "";
  child.stderr?.on("data", (chunk) => (err += chunk));
  // Nobody reads: a pipe that is full stops the writer.
  child.stdout?.pause();
  const closed = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let sent = Date.now();
  for (const [after, signal] of signals) {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, after)), closed]);
    sent = Date.now();
    child.kill(signal);
  }
  const code = await closed;
  child.stdout?.destroy();
  return { code, err, took: Date.now() - sent };
}

const EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const PHASES: readonly (readonly [string, readonly string[], () => void])[] = [
  ["a layer is being written", ["build", "-t", "app", "sealing"], () => sparse("sealing", 2 ** 34)],
  [
    "a file is being hashed for its key",
    ["build", "-t", "app", "hashing"],
    () => {
      // Known, so that the next build hashes first; then another file of the same name.
      sparse("hashing", 1000);
      nought.out("build", "-q", "hashing");
      sparse("hashing", 2 ** 36);
    },
  ],
  [
    "an archive of a stage is being unpacked",
    ["build", "-t", "app", "adding"],
    () => {
      mkdirSync(at("adding"), { recursive: true });
      writeFileSync(at("adding/Dockerfile"), "FROM scratch\nADD archive /\n");
      sparse("archived", 2 ** 33);
      execFileSync("sh", ["-c", "tar -cf - archived | head -c 2000000000 >adding/archive"], { cwd: nought.dir });
    },
  ],
  [
    "an output is being written to a pipe that nobody reads",
    ["build", "-t", "app", "-o", "type=image", "-o", "type=tar,dest=-", "piped"],
    () => nought.write({ "piped/Dockerfile": "FROM scratch\nCOPY large /\n", "piped/large": Buffer.alloc(3_000_000, 7) }),
  ],
  ["the context comes on standard input", ["build", "-t", "app", "-"], () => {}],
];

for (const [phase, args, prepare] of PHASES) {
  test(`S03: a signal while ${phase}`, { timeout: 180_000 }, async () => {
    prepare();
    for (const [signal, exit] of Object.entries(EXITS) as [keyof typeof EXITS, number][]) {
      const { code, err, took } = await interrupted(args, [[500, signal]]);
      assert.equal(code, exit, `${signal}: ${err}`);
      assert.match(err, /interrupted/);
      assert.doesNotMatch(err, /\n +at /);
      assert.ok(took < 3000, `the prompt was back after ${took} ms`);
      assertTidy(store, `${phase}, ${signal}`);
      assert.equal(await digestOfName(store, "app"), anchor, "no name has moved");
    }
    await assertWhole(store, phase);
    rmSync(at("adding/archive"), { force: true });
  });
}

test("S03: a second signal ends it on the spot", { timeout: 30_000 }, async () => {
  sparse("twice", 2 ** 36);
  const { code, took } = await interrupted(
    ["build", "twice"],
    [
      [500, "SIGINT"],
      [1, "SIGINT"],
    ],
  );
  assert.equal(code, 130);
  assert.ok(took < 1000);
  nought.out("images");
  nought.out("image", "prune", "-f");
  assertTidy(store, "after two signals and a prune");
});

test("S03: an archive on its way to a file is gone after a signal, and the old file is there", { timeout: 30_000 }, async () => {
  sparse("large", 600_000_000);
  nought.out("build", "-q", "large");
  mkdirSync(at("out"));
  writeFileSync(at("out/image.tar"), "old");
  const { code, err } = await interrupted(["build", "-o", "type=tar,dest=out/image.tar", "large"], [[350, "SIGINT"]]);
  if (code !== 0) {
    assert.equal(code, 130, err);
    assert.deepEqual(readdirSync(at("out")), ["image.tar"]);
    assert.equal(execFileSync("cat", [at("out/image.tar")], { encoding: "utf8" }), "old");
  }
  assert.ok(existsSync(at("out/image.tar")));
});
