import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program } from "../program.ts";

const nought = await program();
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string };
const golden = join(import.meta.dirname, "../../testdata/cli/help");

nought.write({ "ctx/Dockerfile": "FROM scratch\nCOPY hello /\n", "ctx/hello": "hello\n" });

/** Help texts are kept whole; `NOUGHT_GOLDEN=write` writes them anew. */
for (const words of ["", "build", "images", "image ls", "image", "system", "rmi", "save", "history"]) {
  test(`help golden: nought ${words} --help`, () => {
    const text = nought.out(...words.split(" ").filter(Boolean), "--help");
    const file = join(golden, `${words.replaceAll(" ", "-") || "nought"}.txt`);
    if (process.env.NOUGHT_GOLDEN === "write") writeFileSync(file, text);
    assert.equal(text, readFileSync(file, "utf8"));
    assert.ok(
      text.split("\n").every((line) => line.length <= 80 || /^ {2}(?:\S+ {3}|nought )/.test(line)),
      "lines fit a terminal",
    );
  });
}

test("help is the same in all its forms", () => {
  for (const [a, b] of [
    [["--help"], ["help"]],
    [["--help"], []],
    [["image", "--help"], ["image"]],
    [
      ["image", "--help"],
      ["help", "image"],
    ],
    [
      ["rmi", "--help"],
      ["help", "rmi"],
    ],
    [
      ["rmi", "--help"],
      ["rmi", "-h"],
    ],
    [
      ["rmi", "--help"],
      ["--help", "rmi"],
    ],
    [
      ["image", "rm", "--help"],
      ["help", "image", "rm"],
    ],
  ] as const) {
    assert.equal(nought.out(...a), nought.out(...b), b.join(" "));
  }
});

test("version", () => {
  assert.match(nought.out("version"), /^nought:\n Version: /);
  assert.equal(nought.out("--version"), nought.out("-v"));
  assert.match(nought.out("--version"), /^nought version \S+\n$/);
  assert.equal(nought.out("version", "--format", "{{.Client.Version}}").length > 3, true);
  assert.equal(typeof JSON.parse(nought.out("version", "--format", "json")).Client.Version, "string");
  assert.match(version, /^\d+\.\d+\.\d+/);
});

/** Command lines that make no sense: P20. What they say on standard error, and that standard output stays empty. */
const WRONG: readonly (readonly [readonly string[], number, RegExp])[] = [
  [["imagse"], 2, /^nought: 'imagse' is not a nought command\.\nDid you mean 'nought images'\?\nSee 'nought --help'\.\n$/],
  [["xyzzy"], 2, /^nought: 'xyzzy' is not a nought command\.\nSee 'nought --help'\.\n$/],
  [["image", "sl"], 2, /^nought: 'image sl' is not a nought command\.\nDid you mean 'nought image ls'\?\nSee 'nought image --help'\.\n$/],
  [["help", "nope"], 2, /^nought: 'nope' is not a nought command\./],
  [["--nope"], 2, /^unknown flag: --nope\n/],
  [["image", "--nope"], 2, /^unknown flag: --nope\nSee 'nought image --help'\./],
  [
    ["images", "--x"],
    2,
    /^unknown flag: --x\nSee 'nought images --help'\.\n\nUsage: {2}nought images \[OPTIONS\] \[REPOSITORY\[:TAG\]\]\n$/,
  ],
  [["images", "-x"], 2, /^unknown shorthand flag: 'x' in -x\nSee 'nought images --help'\.\n\nUsage:/],
  [["images", "a", "b"], 2, /^"nought images" requires at most 1 argument\.\nSee 'nought images --help'\.\n\nUsage: .*\n\nList images\n$/],
  [["images", "-f"], 2, /^flag needs an argument: 'f' in -f\n/],
  [["images", "-f", "foo"], 2, /bad format of filter \(expected name=value\)/],
  [["images", "-f", "foo=bar"], 1, /^invalid filter 'foo'\n$/],
  [["tag", "a"], 2, /^"nought tag" requires exactly 2 arguments\.\n/],
  [["rmi"], 2, /^"nought rmi" requires at least 1 argument\.\n/],
  [["import"], 2, /^"nought import" requires at least 1 and at most 2 arguments\.\n/],
  [["image", "prune", "x"], 2, /^"nought image prune" accepts no arguments\.\n/],
  [
    ["build"],
    2,
    /^"nought build" requires exactly 1 argument\.\nSee 'nought build --help'\.\n\nUsage: {2}nought build \[OPTIONS\] PATH \| URL \| -\n/,
  ],
  [["build", "a", "b"], 2, /^"nought build" requires exactly 1 argument\./],
  [["buildx", "build", "a", "b"], 2, /^"nought buildx build" requires exactly 1 argument\.\nSee 'nought buildx build --help'\./],
  [["build", "--context", "ctx", "ctx"], 2, /requires exactly 1 argument/],
  [["build", "ctx", "--", "--no-cache"], 2, /requires exactly 1 argument/],
  [["build", "--build-arg", "", "ctx"], 2, /^invalid key-value pair "": empty key\nSee 'nought build --help'\.\n\nUsage:/],
  [["build", "--build-arg", "=x", "ctx"], 2, /empty key/],
  [["build", "--label", "=x", "ctx"], 2, /empty key/],
  [["build", "--annotation", "x", "ctx"], 2, /invalid annotation "x", expected key=value/],
  [["build", "--secret", "", "ctx"], 2, /invalid secret/],
  [["build", "--secret", "id=x", "ctx"], 2, /invalid secret "id=x": no source: give src=FILE or env=NAME\n.*\n\nUsage:/],
  [["build", "--secret", "src=hello", "ctx"], 2, /secret missing ID/],
  [["build", "--secret", "id=x,src=nope", "ctx"], 2, /there is no file nope/],
  [["build", "--secret", "id=x,env=NOPE", "ctx"], 2, /no environment variable NOPE/],
  [["build", "-o", "dest=x", "ctx"], 2, /type is required for output "dest=x"/],
  [["build", "-o", "type=local", "ctx"], 2, /dest is required for local exporter/],
  [["build", "-o", "type=local,dest=", "ctx"], 2, /dest of output type=local is empty/],
  [["build", "-o", "type=foo,dest=x", "ctx"], 2, /output type "foo" is none of image, registry, oci, docker, local, tar/],
  [["build", "-o", "type=oci,dest=x,colour=red", "ctx"], 2, /unknown attribute colour/],
  [["build", "-o", 'type=oci,"dest=x', "ctx"], 2, /parse error on line 1/],
  [["build", "-o", "type=oci,dest=x,compression=lzma", "ctx"], 2, /compression "lzma"/],
  [["build", "-o", "type=registry", "ctx"], 2, /tag is needed when pushing to registry/],
  [["build", "--push", "ctx"], 2, /tag is needed when pushing to registry/],
  [["build", "--platform", "linux/amd64,linux/arm64", "-o", "type=docker,dest=x", "ctx"], 1, /manifest lists/],
  [["build", "--platform", "a/b/c/d", "ctx"], 2, /platform "a\/b\/c\/d"/],
  [["build", "--build-context", "a", "ctx"], 2, /invalid context value: a, expected key=value/],
  [["build", "--build-context", "a=nope", "ctx"], 1, /path "nope" not found/],
  [["build", "--network", "bridge", "ctx"], 2, /network mode "bridge"/],
  [["build", "--add-host", "x", "ctx"], 2, /invalid host x/],
  [["build", "--progress", "loud", "ctx"], 2, /invalid progress mode loud/],
  [["build", "--call", "foo", "ctx"], 2, /--call foo/],
  [["build", "--print", "foo", "ctx"], 2, /--print foo/],
  [["build", "--source-date-epoch", "soon", "ctx"], 2, /not a number of seconds since 1970, nor git/],
  [["build", "--source-date-epoch", "-1", "ctx"], 2, /not a number/],
  [["build", "-t", "UP", "ctx"], 2, /invalid tag "UP"/],
  [["build", "-t", "", "ctx"], 2, /invalid tag ""/],
  [["build", "-f", "-", "-"], 2, /can't use stdin for both build context and dockerfile/],
  [["build", "nope"], 1, /unable to prepare context: path "nope" not found/],
  [["build", "ctx/hello"], 1, /neither a folder nor a tar archive/],
  [["build", "-f", "nope", "ctx"], 1, /nope/],
  [["build", "-f", "hello", "ctx"], 1, /did you mean -f ctx\/hello/],
  [["build", "-"], 2, /standard input is empty/],
  [["save", "--format", "zip", "x"], 2, /format "zip" is none of/],
  [["completion", "tcsh"], 2, /no completion for tcsh/],
  [["dockerfile", "parse", "nope"], 1, /open nope: no such file or directory/],
];

for (const [args, exit, expected] of WRONG) {
  test(`P20: nought ${args.join(" ")}`, () => {
    const { status, stdout, stderr } = nought.run(args);
    assert.match(stderr, expected);
    assert.equal(status, exit, stderr);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /\n {4}at /, "no stack trace for a user's mistake");
  });
}

test("the reserved name is answered in docker's words, and run's exit code is docker's", () => {
  for (const name of ["scratch", "scratch:latest", "docker.io/library/scratch"]) {
    const pull = nought.run(["pull", name]);
    assert.equal(pull.status, 1);
    assert.match(pull.stderr, /^ERROR: 'scratch' is a reserved name\n/);
    const run = nought.run(["run", "--rm", "-it", name, "sh", "-c", "x"]);
    assert.equal(run.status, 125);
    assert.match(run.stderr, /^ERROR: 'scratch' is a reserved name\n/);
  }
  assert.equal(nought.out("image", "ls", "scratch"), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
  nought.out("build", "-q", "-t", "real", "ctx");
  for (const args of [
    ["tag", "real", "scratch"],
    ["build", "-t", "scratch", "ctx"],
    ["build", "-t", "scratch:1", "ctx"],
    ["import", "x.tar", "scratch"],
  ]) {
    const refused = nought.run(args);
    assert.equal(refused.status, 1, args.join(" "));
    assert.match(refused.stderr, /^ERROR: 'scratch' is a reserved name\n/);
  }
  for (const args of [
    ["manifest", "get", "scratch"],
    ["scan", "scratch"],
  ]) {
    const { status, stderr, stdout } = nought.run(args);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /no such manifest: docker\.io\/library\/scratch:latest: MANIFEST_UNKNOWN: manifest unknown/);
  }
});

test("wrong usage of run has docker's exit code, and flags after the image are the program's", () => {
  assert.equal(nought.run(["run", "--nope", "alpine"]).status, 125);
  const run = nought.run(["run", "--pull", "never", "alpine", "--unknown-flag-of-the-command"]);
  assert.equal(run.status, 125);
  assert.match(run.stderr, /^Unable to find image 'alpine:latest' locally\nERROR: No such image: alpine:latest\nNOT_FOUND: /);
});

test("--store and NOUGHT_STORE say where things are", () => {
  const other = join(nought.dir, "other-store");
  nought.out("build", "-q", "-t", "there", "--store", other, "ctx");
  assert.equal(existsSync(other), true);
  assert.equal(nought.out("--store", other, "images", "-q").length, 13);
  assert.equal(nought.out("images", "-q", "there"), "");
  assert.equal(nought.run(["images", "-q", "there"], { env: { NOUGHT_STORE: other } }).stdout.length, 13);
  const { status, stderr } = nought.run(["images", "--store", nought.dir]);
  assert.equal(status, 7, stderr);
  assert.match(stderr, /is not a nought store/);
});

test("a mistake of ours would say so; a Failure shows its stack only when asked", () => {
  const asked = nought.run(["inspect", "-f", "{{", "x"], { env: { NOUGHT_DEBUG: "1" } });
  assert.match(asked.stderr, /\n {4}at /);
  const quiet = nought.run(["tag", "nope", "x"]);
  assert.equal(quiet.stderr, "ERROR: No such image: nope:latest\nNOT_FOUND: `nought images` shows what there is.\n");
  assert.equal(quiet.status, 1);
  assert.match(nought.run(["-D", "tag", "nope", "x"]).stderr, /\n {4}at /);
});
