import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { program } from "../program.ts";

const nought = await program();
const EVIL = "\u001b[2J\u001b]0;x\u0007\u009b31m\r\b\u202eevil\u200f";
/** What a terminal takes as it is: letters and lines. */
const CALM = /^[\u0020-\u007e\u00a1-\u200d\u2010-\u2029\u2030-\u2065\u2070-\uffff\n\t]*$/;
nought.write({
  "ctx/Dockerfile": "FROM scratch\nCOPY hello /\n",
  "ctx/hello": "hello\n",
  "bad/Dockerfile": "FROM scratch\nCOPY nope /\n",
  "warn/Dockerfile": "from scratch\nLABEL a=$b\n",
  "evil/Dockerfile": `FROM scratch\nLABEL a="${EVIL}" "${EVIL}"=b\nCOPY "${EVIL.replaceAll("\r", "")}" /\n`,
  [`evil/${EVIL}`]: "x",
});
const script = (line: string, env: NodeJS.ProcessEnv = {}) => nought.shell(`script -qec ${JSON.stringify(line)} /dev/null </dev/null`, env);
const hasScript = spawnSync("sh", ["-c", "command -v script"]).status === 0;

test("O01: names and labels from outside never reach the terminal as they are, in any command", () => {
  nought.write({ "labels/Dockerfile": `FROM scratch\nLABEL a="${EVIL.replaceAll("\r", "")}"\n` });
  assert.equal(nought.run(["build", "-t", "labels", "labels"]).status, 0);
  for (const args of [
    ["history", "labels"],
    ["history", "--no-trunc", "labels"],
    ["history", "--format", "json", "labels"],
    ["history", "--format", "{{.CreatedBy}}", "labels"],
    ["inspect", "labels"],
    ["inspect", "-f", "{{.Config.Labels.a}}", "labels"],
    ["inspect", "-f", "{{json .Config.Labels}}", "labels"],
    ["inspect", "--format", "json", "labels"],
    ["build", "--print", "plan", "labels"],
    ["build", "--check", "evil"],
    ["build", "evil"],
    ["build", "--progress", "rawjson", "evil"],
    ["build", EVIL],
    ["build", "-t", EVIL, "ctx"],
    ["build", "--target", EVIL, "ctx"],
    ["build", `--${EVIL}`, "ctx"],
    ["build", "--build-arg", `=${EVIL}`, "ctx"],
    ["build", "-f", EVIL, "ctx"],
    ["build", "-o", `type=${EVIL}`, "ctx"],
    ["build", "--secret", EVIL, "ctx"],
    [EVIL],
    ["image", EVIL],
    ["images", EVIL],
    ["images", "-f", `${EVIL}=x`],
    ["images", "--format", `{{.${EVIL}}}`],
    ["inspect", EVIL],
    ["inspect", "--type", EVIL, "x"],
    ["rmi", EVIL],
    ["tag", EVIL, "x"],
    ["tag", "labels", EVIL],
    ["save", EVIL],
    ["save", "-o", `${EVIL}/x`, "labels"],
    ["load", "-i", EVIL],
    ["import", EVIL],
    ["import", "-c", EVIL, "x"],
    ["pull", EVIL],
    ["run", EVIL],
    ["scan", EVIL],
    ["manifest", "get", EVIL],
    ["dockerfile", "parse", EVIL],
    ["dockerfile", "parse", "evil/Dockerfile"],
    ["dockerfile", "parse", "--json", "evil/Dockerfile"],
    ["completion", EVIL],
    ["__complete", "rmi", EVIL],
    ["help", EVIL],
    ["--store", EVIL, "images"],
  ]) {
    const { stdout, stderr, status } = nought.run(args);
    assert.match(stdout, CALM, `standard output of ${JSON.stringify(args)}`);
    assert.match(stderr, CALM, `standard error of ${JSON.stringify(args)}`);
    assert.notEqual(status, 70, stderr);
  }
});

test("O03: JSON is JSON, one object a line, whether things go well or not", () => {
  nought.out("build", "-q", "-t", "j", "ctx");
  for (const args of [["images"], ["history", "j"], ["inspect", "j"], ["image", "inspect", "j"], ["system", "df"], ["version"], ["info"]]) {
    const text = nought.out(...args, "--format", "json");
    for (const line of text.trim().split("\n")) assert.equal(typeof JSON.parse(line), "object", args.join(" "));
  }
  assert.deepEqual(JSON.parse(nought.run(["inspect", "none"]).stdout), []);
  assert.equal(nought.run(["history", "none", "--format", "json"]).stdout, "");
  for (const folder of ["ctx", "bad", "warn"]) {
    const { stderr, stdout, status } = nought.run(["build", "--progress", "rawjson", folder]);
    assert.equal(stdout, "");
    const events = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.ok(events.some((event) => "vertexes" in event));
    assert.equal(
      events.some((event) => "failure" in event),
      status !== 0,
    );
    if (folder === "bad") {
      const last = events.at(-1) as { failure: { code: string; exit: number; source: { line: number } } };
      assert.deepEqual([last.failure.code, last.failure.exit, last.failure.source.line], ["NOT_FOUND", 1, 2]);
    }
    if (folder === "warn") assert.ok(events.some((event) => "warnings" in event));
  }
});

test("O05: a reader that goes away ends the program quietly with 141, a full device with 7", () => {
  nought.out("build", "-q", "-t", "pipe", "ctx");
  for (const line of [
    "nought inspect pipe",
    "nought images",
    "nought save pipe",
    "nought history pipe",
    "nought --help",
    "nought build -q -o - ctx",
  ]) {
    const closed = nought.shell(`( ${line}; echo "exit $?" >&2 ) | true`);
    assert.match(closed.stderr, /(?:^|\n)exit (?:141|0)\n$/, line);
    assert.doesNotMatch(closed.stderr, /ERROR|EPIPE|at /, line);
    const full = nought.shell(`${line} >/dev/full`);
    assert.equal(full.status, 7, `${line}: ${full.stderr}`);
    assert.match(full.stderr, /ERROR: .*no space left/, line);
  }
  const sure = nought.shell("( sleep 0.5; nought inspect pipe; echo $? >&2 ) | true");
  assert.equal(sure.stderr, "141\n");
  assert.equal(nought.shell("nought build --progress plain ctx 2>/dev/full").status, 0, "nobody need read standard error");
  assert.equal(nought.shell("nought build ctx 2>&-").status, 0);
});

test("endless input is refused at its limit, and the prompt comes back", { timeout: 30_000 }, () => {
  for (const line of [
    "yes | nought build -",
    "yes | nought build -f - ctx",
    "yes | nought dockerfile parse -",
    "yes | nought load",
    "yes | nought import -",
  ]) {
    const { status, stderr } = nought.shell(line);
    assert.equal(status, 1, `${line}: ${stderr}`);
    assert.match(stderr, /\n(?:LIMIT|TAR|MANIFEST|COMPRESSION): /, line);
  }
});

test("O05: a slow reader gets everything", () => {
  nought.write({ "big/Dockerfile": "FROM scratch\nCOPY b /\n", "big/b": Buffer.alloc(3 << 20, "x") });
  nought.out("build", "-q", "-t", "big", "big");
  const { status, stdout } = nought.shell("nought save big | (sleep 0.5; sha256sum); nought save big -o big.tar; sha256sum <big.tar");
  const [a, b] = stdout.split("\n");
  assert.deepEqual([status, a], [0, b]);
});

test("plain progress goes to standard error, in buildx's lines", () => {
  const first = nought.run(["build", "--no-cache", "-t", "lines", "ctx"]);
  assert.equal(first.stdout, "");
  assert.match(
    first.stderr,
    /^#1 \[internal\] load build definition from Dockerfile\n#1 DONE \d\.\ds\n\n#2 \[1\/1\] COPY hello \/\n#2 DONE \d\.\ds\n\n#3 exporting to image\n(?:#3 .*\n)*#3 DONE \d\.\ds\n$/,
  );
  assert.match(first.stderr, /#3 naming to docker\.io\/library\/lines:latest done\n/);
  assert.match(nought.run(["build", "-t", "lines", "ctx"]).stderr, /#2 CACHED\n/);
  const quiet = nought.run(["build", "-q", "ctx"]);
  assert.match(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/);
  assert.equal(quiet.stderr, "");
  assert.equal(nought.run(["build", "--progress", "quiet", "ctx"]).stderr, "");
  assert.equal(nought.run(["build", "ctx"], { env: { BUILDKIT_PROGRESS: "quiet" } }).stderr, "");
  const failed = nought.run(["build", "bad"]);
  assert.match(
    failed.stderr,
    /#2 ERROR: [^\n]+\n------\n > \[1\/1\] COPY nope \/:\n------\nDockerfile:2\n-{20}\n[^]*>>> COPY nope \/\n[^]*-{20}\nERROR: [^\n]+\nNOT_FOUND: [^\n]+\n$/,
  );
  const warned = nought.run(["build", "warn"]);
  assert.match(warned.stderr, / 2 warnings found \(use nought build --check to expand\):\n - ConsistentInstructionCasing: /);
});

test("O08: the same failure reads the same, times apart", () => {
  const told = () => nought.run(["build", "bad"]).stderr.replaceAll(/\d+\.\d+s/g, "T");
  assert.equal(told(), told());
});

test("O06: a terminal gets a redrawn region; narrow, dumb and colourless ones what suits them", {
  skip: !hasScript && "script is not installed",
}, () => {
  const full = script("nought build --no-cache ctx");
  assert.equal(full.status, 0, full.stdout);
  assert.match(full.stdout, /\[\+\] Building \d\.\ds \(3\/3\) FINISHED/);
  assert.match(full.stdout, /\u001b\[34m/);
  assert.doesNotMatch(script("nought build ctx", { NO_COLOR: "1" }).stdout, /\u001b\[\d+m/);
  for (const TERM of ["dumb", ""]) assert.doesNotMatch(script("nought build ctx", { TERM }).stdout, /\u001b/);
  for (const columns of [0, 1, 2, 10, 20]) {
    const { status, stdout } = script(`stty cols ${columns} rows ${columns}; nought build --no-cache ctx && nought build bad`);
    assert.equal(status, 1, stdout);
    assert.match(stdout, /ERROR:/);
  }
  assert.equal(script("nought build ctx", { LC_ALL: "C", LANG: "" }).status, 0);
  assert.match(nought.run(["build", "--progress", "tty", "ctx"]).stderr, /needs a terminal/);
  assert.doesNotMatch(script("nought build --progress plain ctx").stdout, /\u001b/);
  const help = script("stty cols 60; nought build --help").stdout.split("\r\n");
  assert.ok(help.filter((line) => line.startsWith("      --")).every((line) => line.length <= 60));
  assert.match(script("nought save j").stdout, /cowardly refusing to save to a terminal/);
});

test("S03: a first signal ends what runs and cleans up, with 130, 143 or 129", { timeout: 60_000 }, async () => {
  for (const [signal, exit] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    for (const args of [["load"], ["build", "-"], ["import", "-"], ["image", "prune"]]) {
      const child = nought.start(args);
      let errors = "";
      child.stderr?.on("data", (chunk) => (errors += chunk));
      if (args[0] === "load") child.stdin?.write(Buffer.alloc(100_000));
      await sleep(700);
      const begun = Date.now();
      child.kill(signal);
      const [code, killed] = await new Promise<[number | null, string | null]>((resolve) => child.once("exit", (...how) => resolve(how)));
      assert.deepEqual([code, killed], [exit, null], `${signal} ${args.join(" ")}: ${errors}`);
      assert.ok(Date.now() - begun < 3000, "the prompt is back soon");
      assert.match(errors, /^(?:ERROR: interrupted\n)?$|interrupted/);
    }
  }
  const tmp = join(nought.env.NOUGHT_STORE as string, "tmp");
  assert.deepEqual(existsSync(tmp) ? readdirSync(tmp) : [], [], "no spool files stay");
  assert.equal(nought.run(["images"]).status, 0);
});
