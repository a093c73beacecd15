import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program } from "../program.ts";

const nought = await program();
nought.write({
  "ctx/Dockerfile": 'FROM scratch\nCOPY hello /\nCMD ["/hello"]\n',
  "ctx/hello": "hello\n",
  "two/Dockerfile": "FROM scratch\nCOPY b /\n",
  "two/b": "bbb\n",
  "root/etc/hi": "hi\n",
});
const at = (...parts: string[]) => join(nought.dir, ...parts);
const ids = (...args: string[]) => nought.out("images", "-q", "--no-trunc", ...args).trim();
nought.out("build", "-q", "-t", "one:1", "-t", "one:2", "ctx");
nought.out("build", "-q", "-t", "two", "two");
const one = ids("one:1");
const two = ids("two");
const empty = () => nought.out("system", "prune", "-af");

test("save and load: every name comes back, in every form", () => {
  for (const [args, source] of [
    [["-o", "both.tar"], "both.tar"],
    [["-o", "oci.tar", "--format", "oci-archive"], "oci.tar"],
    [["-o", "layout", "--format", "oci-dir"], "layout"],
    [["-o", "gz.tar", "--compression", "gzip"], "gz.tar"],
    [["-o", "zstd.tar", "--format", "oci-archive", "--compression", "zstd", "--compression-level", "1"], "zstd.tar"],
  ] as const) {
    nought.out("save", ...args, "one", "two");
    empty();
    assert.equal(ids(), "");
    assert.deepEqual(nought.out("load", "-i", source).trim().split("\n").sort(), [
      "Loaded image: one:1",
      "Loaded image: one:2",
      "Loaded image: two:latest",
    ]);
    assert.deepEqual([ids("one:1"), ids("one:2"), ids("two")], [one, one, two], source);
  }
  const members = nought.shell("tar tf both.tar").stdout.split("\n");
  for (const name of ["manifest.json", "repositories", "index.json", "oci-layout"]) assert.ok(members.includes(name), name);
  assert.ok(!nought.shell("tar tf oci.tar").stdout.includes("manifest.json"));
  assert.match(nought.shell("tar xOf gz.tar index.json").stdout, /one:1/);
});

test("save streams to standard output, load reads standard input, compressed or not", () => {
  const { status, stdout } = nought.shell("nought save one:1 | gzip | nought load");
  assert.deepEqual([status, stdout], [0, "Loaded image: one:1\n"]);
  assert.equal(nought.shell("nought save two | nought load -q").stdout, "Loaded image: two:latest\n");
  const direct = nought.shell("nought save one:1 | sha256sum; nought save -o x.tar one:1; sha256sum <x.tar").stdout.split("\n");
  assert.equal(direct[0], direct[1], "the same image gives the same archive");
});

test("an image saved by ID has no name, and loads as one", () => {
  nought.out("save", "-o", "id.tar", two.slice(7, 19));
  nought.out("rmi", "two");
  assert.equal(nought.out("load", "-i", "id.tar"), `Loaded image ID: ${two}\n`);
  assert.equal(nought.out("images", "-q", "--no-trunc", "-f", "dangling=true"), `${two}\n`);
  nought.out("tag", two, "two");
  assert.equal(ids("-f", "dangling=true"), "");
});

test("a load that moves a name says so and keeps the image that had it", () => {
  nought.out("save", "-o", "two.tar", "two");
  nought.out("tag", "one:1", "two");
  const moved = nought.out("load", "-i", "two.tar");
  assert.equal(
    moved,
    `The image two:latest already exists, renaming the old one with ID ${one} to empty string\nLoaded image: two:latest\n`,
  );
});

test("what cannot be saved or loaded leaves nothing behind", () => {
  for (const [args, exit, message] of [
    [["save", "nope"], 1, /No such image: nope:latest/],
    [["save", "one:9"], 1, /No such image: one:9/],
    [["save", "-o", "no/where.tar", "one:1"], 7, /could not write .*no\/where\.tar/],
    [["save", "--format", "oci-dir", "one:1"], 2, /needs -o FOLDER/],
    [["save", "--compression-level", "3", "one:1"], 2, /needs --compression/],
    [["save", "--compression", "lzma", "one:1"], 2, /compression "lzma"/],
    [["save", "--platform", "linux/s390x", "-o", "z.tar", "one:1"], 1, /linux\/s390x/],
    [["load", "-i", "nope.tar"], 1, /open nope\.tar: no such file or directory/],
    [["load", "-i", "ctx/hello"], 1, /./],
    [["load"], 1, /./],
  ] as const) {
    const { status, stderr, stdout } = nought.run(args);
    assert.match(stderr, message, args.join(" "));
    assert.deepEqual([status, stdout], [exit, ""], args.join(" ") + stderr);
  }
  assert.deepEqual(
    readdirSync(nought.dir).filter((name) => name.startsWith(".") || name === "z.tar"),
    [],
  );
  writeFileSync(at("cut.tar"), readFileSync(at("both.tar")).subarray(0, 3000));
  const list = ["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"] as const; // no ages: they go on
  const before = nought.out(...list);
  assert.equal(nought.run(["load", "-i", "cut.tar"]).status, 1);
  assert.equal(nought.out(...list), before);
});

test("import makes an image of a file system", () => {
  nought.shell("tar -C root -cf root.tar . && gzip -k root.tar");
  const changes = ['CMD ["/a","b"]', "ENV A=1 B=2", "LABEL x=y", "WORKDIR /w", "USER 3", "EXPOSE 80", "VOLUME /v"].flatMap((one) => [
    "-c",
    one,
  ]);
  const id = nought.out("import", ...changes, "-m", "hello", "root.tar", "imp").trim();
  const [image] = JSON.parse(nought.out("inspect", "imp"));
  assert.equal(image.Id, id);
  assert.equal(image.Size, 3);
  const { Cmd, Env, Labels, WorkingDir, User, ExposedPorts, Volumes } = image.Config;
  assert.deepEqual(
    { Cmd, Env, Labels, WorkingDir, User, ExposedPorts, Volumes },
    {
      Cmd: ["/a", "b"],
      Env: ["A=1", "B=2"],
      Labels: { x: "y" },
      WorkingDir: "/w",
      User: "3",
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/v": {} },
    },
  );
  assert.match(nought.out("history", "imp"), /\n\S+ +.* ago +3B +hello\n$/);
  const plain = nought.shell("nought import - imp2 <root.tar.gz && nought history --format '{{.Comment}}' imp2");
  assert.deepEqual([plain.status, plain.stdout.split("\n").slice(1)], [0, ["Imported from -", ""]]);
  assert.equal(nought.out("import", "--platform", "linux/arm64", "root.tar", "arm").length, 72);
  assert.equal(nought.out("inspect", "-f", "{{.Architecture}}", "arm"), "arm64\n");
  for (const [args, exit, message] of [
    [["import", "-c", "RUN x", "root.tar"], 1, /RUN is not a valid change command/],
    [["import", "-c", "FROM x", "root.tar"], 1, /FROM is not a valid change command/],
    [["import", "-c", "USER", "root.tar"], 1, /USER/],
    [["import", "-c", "USER a\nFROM b", "root.tar"], 1, /on one line/],
    [["import", "nope.tar"], 1, /open nope\.tar: no such file/],
    [["import", "root"], 1, /is a folder/],
    [["import", "root.tar", "UP"], 2, /lowercase/],
  ] as const) {
    const { status, stderr } = nought.run(args);
    assert.match(stderr, message);
    assert.equal(status, exit, args.join(" "));
  }
});

test("the build context may come as an archive, on disk or on standard input, or not at all", () => {
  nought.shell("tar -C ctx -cf ctx.tar . && gzip -k ctx.tar && cp ctx/Dockerfile ctx/Other && tar -C ctx -cf other.tar .");
  const built = nought.out("build", "-q", "ctx").trim();
  for (const line of [
    "nought build -q ctx.tar",
    "nought build -q - <ctx.tar",
    "nought build -q - <ctx.tar.gz",
    "cat ctx.tar.gz | nought build -q -",
    "nought build -q --context tar://ctx.tar",
    "nought build -q --context dir://ctx",
    "nought build -q --context ctx --dockerfile Other",
    "nought build -q -f - ctx <ctx/Dockerfile",
    "nought build -q -f Other - <other.tar",
  ]) {
    const { status, stdout, stderr } = nought.shell(line);
    assert.equal(status, 0, stderr);
    assert.equal(stdout.trim(), built, line);
  }
  const none = nought.shell("printf 'FROM scratch\\nLABEL a=b\\n' | nought build -q -t none -");
  assert.equal(none.status, 0, none.stderr);
  assert.equal(nought.out("inspect", "-f", "{{json .Config.Labels}} {{len .RootFS.Layers}}", "none"), '{"a":"b"} 0\n');
  const needs = nought.shell("printf 'FROM scratch\\nCOPY x /\\n' | nought build -");
  assert.equal(needs.status, 1);
  assert.match(needs.stderr, /\/x": not found/);
});

test("outputs: folder, tar, archives; names; what is written beside the image", () => {
  const id = nought.out("build", "-q", "-o", "out", "ctx").trim();
  assert.equal(readFileSync(at("out/hello"), "utf8"), "hello\n");
  assert.equal(nought.shell("nought build -o - ctx | tar xO hello").stdout, "hello\n");
  nought.out("build", "-o", "type=oci,dest=o.tar,name=x/y:1,compression=zstd", "-o", 'type=docker,"dest=d,1.tar"', "-t", "z", "ctx");
  assert.match(nought.shell("tar xOf o.tar index.json").stdout, /x\/y:1/);
  assert.ok(statSync(at("d,1.tar")).size > 0);
  nought.out("build", "--tar-path", "k.tar", "--destination", "kan:1", "--no-push", "--context", "ctx", "--digest-file", "digest");
  assert.equal(ids("kan"), "");
  assert.match(readFileSync(at("digest"), "utf8"), /^sha256:[0-9a-f]{64}$/);
  assert.equal(nought.out("load", "-i", "k.tar"), "Loaded image: kan:1\n");
  nought.out("build", "--iidfile", "iid", "--metadata-file", "meta.json", "-t", "m:1", "ctx");
  assert.equal(readFileSync(at("iid"), "utf8"), id);
  const meta = JSON.parse(readFileSync(at("meta.json"), "utf8"));
  assert.equal(meta["containerimage.config.digest"], id);
  assert.equal(meta["image.name"], "docker.io/library/m:1");
  assert.match(meta["containerimage.digest"], /^sha256:/);
  assert.equal(nought.run(["build", "--iidfile", "iid", "-f", "ctx/hello", "ctx"]).status, 1);
  assert.equal(existsSync(at("iid")), false, "a failed build leaves no stale ID");
});

test("flags of other tools: taken silently, told of, or refused", () => {
  for (const args of [
    ["--load"],
    ["--rm=false"],
    ["--force-rm"],
    ["--compress"],
    ["--provenance=false"],
    ["--builder", "default"],
    ["--sbom=false"],
    ["--pull"],
  ]) {
    const { status, stderr } = nought.run(["build", ...args, "ctx"]);
    assert.equal(status, 0, args.join(" "));
    assert.doesNotMatch(stderr, /NOTE/, args.join(" "));
  }
  for (const args of [["--squash"], ["-m", "1g"], ["--sbom=true"]]) {
    const { status, stderr } = nought.run(["build", ...args, "ctx"]);
    assert.equal(status, 0, args.join(" "));
    assert.match(stderr, /^NOTE: --[a-z-]+ is ignored/, args.join(" "));
  }
});

test("values of flags reach the image", () => {
  nought.write({ "args/Dockerfile": "FROM scratch AS a\nARG X=1\nARG HOST_X\nLABEL x=$X h=$HOST_X\nFROM a AS b\nLABEL t=b\n" });
  const args = [
    "build",
    "--build-arg",
    "X=2",
    "--build-arg",
    "HOST_X",
    "--label",
    "l=m",
    "--label",
    "empty",
    "--target",
    "a",
    "--platform",
    "linux/arm64",
  ];
  const { status, stderr } = nought.run([...args, "--annotation", "manifest:k=v", "-t", "args", "args"], { env: { HOST_X: "host" } });
  assert.equal(status, 0, stderr);
  assert.equal(
    nought.out("inspect", "-f", "{{json .Config.Labels}} {{.Architecture}}", "args"),
    '{"empty":"","h":"host","l":"m","x":"2"} arm64\n',
  );
  assert.deepEqual(JSON.parse(nought.out("manifest", "get", "args")).annotations, { k: "v" });
  for (const [env, flags] of [
    [{ SOURCE_DATE_EPOCH: "86400" }, []],
    [{}, ["--source-date-epoch", "86400"]],
    [{}, ["--build-arg", "SOURCE_DATE_EPOCH=86400"]],
    [{ SOURCE_DATE_EPOCH: "5" }, ["--source-date-epoch=86400"]],
  ] as const) {
    assert.equal(nought.run(["build", "-t", "when", ...flags, "ctx"], { env }).status, 0);
    assert.equal(nought.out("inspect", "-f", "{{.Created}}", "when"), "1970-01-02T00:00:00Z\n");
  }
  const git =
    "git init -q repo && cp ctx/* repo/ && cd repo && git add . && GIT_COMMITTER_DATE='@1234567890 +0000' git -c user.name=x -c user.email=x@x commit -qm x";
  assert.equal(nought.shell(git).status, 0);
  assert.equal(nought.out("build", "-q", "-t", "committed", "--source-date-epoch", "git", "repo").length, 72);
  assert.equal(nought.out("inspect", "-f", "{{.Created}}", "committed"), "2009-02-13T23:31:30Z\n");
  assert.match(nought.run(["build", "--source-date-epoch", "git", "ctx"]).stderr, /no commit for /);
});

test("--check, --call and --print answer without an image", () => {
  nought.write({ "warn/Dockerfile": "from scratch\nCOPY x /\nENV a=$b\n", "clean/Dockerfile": "FROM scratch\n" });
  const check = nought.run(["build", "--check", "warn"]);
  assert.equal(check.status, 1);
  assert.match(check.stdout, /^Check complete, 2 warnings have been found!\n\nWARNING: ConsistentInstructionCasing - /);
  const fine = nought.run(["build", "--check", "clean"]);
  assert.deepEqual([fine.status, fine.stdout], [0, "Check complete, no warnings found.\n"]);
  const found = JSON.parse(nought.run(["build", "--call", "check,format=json", "warn"]).stdout);
  assert.equal(found.warnings.length, 2);
  assert.equal(nought.run(["build", "--call=check,ignorestatus=true", "warn"]).status, 0);
  assert.match(nought.out("build", "--call", "targets", "args"), /^TARGET +DESCRIPTION\n/);
  assert.equal(JSON.parse(nought.out("build", "--call", "targets,format=json", "args")).targets.length, 2);
  assert.match(nought.out("build", "--call", "outline", "args"), /BUILD ARG/);
  assert.equal(JSON.parse(nought.out("build", "--print", "plan", "ctx")).stages.length, 1);
  assert.equal(JSON.parse(nought.out("build", "--print", "syntax", "ctx")).instructions.length, 3);
  assert.equal(JSON.parse(nought.out("build", "--print", "manifest", "ctx")).schemaVersion, 2);
  assert.ok(Array.isArray(JSON.parse(nought.out("build", "--print", "keys", "ctx"))));
});

test("dockerfile parse: the tree as text and JSON, syntax errors all at once", () => {
  assert.equal(nought.out("dockerfile", "parse", "ctx/Dockerfile"), '(from "scratch")\n(copy "hello" "/")\n(cmd "/hello")\n');
  const tree = JSON.parse(nought.out("dockerfile", "parse", "--json", "ctx/Dockerfile"));
  assert.deepEqual(Object.keys(tree), ["escape", "directives", "instructions", "warnings"]);
  assert.deepEqual(JSON.parse(nought.shell("nought dockerfile parse --format json - <ctx/Dockerfile").stdout), tree);
  nought.write({ bad: "FROM scratch\nCOPY <<EOF /x\n" });
  const { status, stdout, stderr } = nought.run(["dockerfile", "parse", "bad"]);
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /bad:2\n-+\n[^]*>>> COPY <<EOF[^]*ERROR: [^\n]*unterminated heredoc[^]*SYNTAX: /);
  assert.equal(nought.run(["dockerfile", "parse", "--format", "xml", "bad"]).status, 2);
});
