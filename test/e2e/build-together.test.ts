import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertTidy, assertWhole, context, digestOfName } from "../builds.ts";
import { program } from "../program.ts";
import { HEAVY, randomFrom } from "../store-drivers/start.ts";

const nought = await program();
const storeAt = (name: string) => join(nought.dir, name);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts nought; `ended` is when it is over. */
function start(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = nought.start(args);
  let [out, err] = ["", ""];
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (err += chunk));
  return { child, ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err }))) };
}

test("S12: the same build twice at once, round after round: both fine, one image", async () => {
  const random = randomFrom("S12 build");
  for (let round = 0; round < (HEAVY ? 50 : 20); round++) {
    const store = storeAt("twice");
    nought.write(context("same", 200_000, `round ${round}`));
    const args = ["--store", store, "build", "-q", "-t", "same", "same"];
    const first = start(...args);
    const second = start(...args);
    const stopped = round % 4 === 3;
    if (stopped) {
      await new Promise((resolve) => setTimeout(resolve, 40 + random() * 100));
      first.child.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 150));
      first.child.kill("SIGCONT");
    }
    const [one, two] = await Promise.all([first.ended, second.ended]);
    for (const { code, err } of [one, two]) assert.equal(code, 0, `round ${round}: ${err}`);
    assert.match(one.out, /^sha256:[0-9a-f]{64}\n$/);
    assert.equal(one.out, two.out, `round ${round}`);
    // Half of the rounds begin with an empty store.
    if (round % 2 === 1) {
      await assertWhole(store, `round ${round}`);
      rmSync(store, { recursive: true });
    }
  }
});

test("S13: eight different builds on one base, at once", async () => {
  const store = storeAt("eight");
  nought.write({
    ...context("base", 300_000),
    "app/Dockerfile": "FROM base\nARG N\nCOPY --from=base /large /copy-$N\nCOPY <<E /n\n$N\nE\nWORKDIR /w/$N\n",
  });
  nought.out("--store", store, "build", "-q", "-t", "base", "base");
  const builds = Array.from({ length: 8 }, (_, n) =>
    start("--store", store, "build", "-q", "--build-arg", `N=${n}`, "-t", `app:${n}`, "app"),
  );
  const ended = await Promise.all(builds.map((one) => one.ended));
  for (const { code, err } of ended) assert.equal(code, 0, err);
  assert.equal(new Set(ended.map((one) => one.out)).size, 8);
  await assertWhole(store, "after eight");
  for (const [n, { out }] of ended.entries()) assert.equal(nought.out("--store", store, "inspect", "-f", "{{.Id}}", `app:${n}`), out);
});

test("S14: prune and rmi in a loop beside builds: nobody loses what he uses", async () => {
  const store = storeAt("pruned");
  const contexts = ["one", "two"];
  for (const name of contexts) nought.write(context(name, 400_000));
  const over = new AbortController();
  const pruning = (async () => {
    for (let turn = 0; !over.signal.aborted; turn++) {
      const command = [
        ["image", "prune", "-a", "-f"],
        ["builder", "prune", "-a", "-f"],
        ["system", "prune", "-a", "-f"],
        ["rmi", "-f", "one:0"],
      ][turn % 4] as string[];
      const { code, err } = await start("--store", store, ...command).ended;
      assert.ok(code === 0 || /No such image|not found/.test(err), `${command.join(" ")}: ${err}`);
    }
  })();
  const digests = new Map<string, string>();
  for (let round = 0; round < (HEAVY ? 30 : 8); round++) {
    const results = await Promise.all(
      contexts.map((name) => start("--store", store, "build", "-q", "-t", `${name}:${round % 2}`, name).ended),
    );
    for (const [at, { code, out, err }] of results.entries()) {
      assert.equal(code, 0, `round ${round}: ${err}`);
      const known = digests.get(contexts[at] as string) ?? out;
      assert.equal(out, known, "the same build is the same image, whatever was pruned meanwhile");
      digests.set(contexts[at] as string, out);
    }
  }
  over.abort();
  await pruning;
  await assertWhole(store, "after all");
  for (const name of contexts) nought.out("--store", store, "build", "-q", "-t", name, name);
  assert.ok(await digestOfName(store, "one"));
  nought.out("--store", store, "image", "prune", "-f");
  assertTidy(store, "after all");
});
