import assert from "node:assert/strict";
import { test } from "node:test";
import { program } from "../program.ts";

const nought = await program();
const DOCKERFILE = [
  "FROM scratch AS base",
  "COPY hello /app/hello",
  "WORKDIR /srv",
  "FROM base",
  "LABEL a=b",
  "ENV X=y",
  "COPY --from=base /app/hello /h2",
  'ENTRYPOINT ["/app/hello","&&<>"]',
  "",
].join("\n");
nought.write({ "ctx/Dockerfile": DOCKERFILE, "ctx/hello": "hello\n", "two/Dockerfile": "FROM scratch\nCOPY b /\n", "two/b": "bbb\n" });
const EPOCH = { SOURCE_DATE_EPOCH: "1700000000" };
const YEARS = Math.floor((Date.now() / 1000 - 1_700_000_000) / 3600 / 24 / 365);
const AGE = YEARS >= 2 ? `${YEARS} years ago` : "";

const build = (...args: string[]) => {
  const { status, stdout, stderr } = nought.run(["build", "-q", ...args], { env: EPOCH });
  assert.equal(status, 0, stderr);
  return stdout.trim();
};

test("what was built is listed in docker's columns", () => {
  const id = build("-t", "app:1", "-t", "user/app:2", "ctx");
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  const short = id.slice(7, 19);
  assert.match(AGE, /ago/);
  assert.equal(
    nought.out("images"),
    [
      `REPOSITORY   TAG       IMAGE ID       ${"CREATED".padEnd(AGE.length + 3)}SIZE`,
      `app          1         ${short}   ${AGE}   12B`,
      `user/app     2         ${short}   ${AGE}   12B`,
      "",
    ].join("\n"),
  );
  assert.equal(nought.out("images", "-q"), `${short}\n${short}\n`);
  assert.equal(nought.out("image", "ls", "--no-trunc", "-q", "app"), `${id}\n`);
  assert.match(nought.out("images", "--digests", "app"), /^REPOSITORY {3}TAG {7}DIGEST +IMAGE ID .*\napp +1 +sha256:[0-9a-f]{64} {3}/);
  const [row] = nought.out("images", "--format", "json", "app").split("\n");
  assert.deepEqual(Object.keys(JSON.parse(row as string)), [
    "Containers",
    "CreatedAt",
    "CreatedSince",
    "Digest",
    "ID",
    "Repository",
    "SharedSize",
    "Size",
    "Tag",
    "UniqueSize",
    "VirtualSize",
  ]);
  assert.equal(JSON.parse(row as string).CreatedAt, "2023-11-14 22:13:20 +0000 UTC");
  assert.equal(nought.out("images", "--format", "table {{.Repository}}\\t{{.Size}}", "app"), "REPOSITORY   SIZE\napp          12B\n");
  const bad = nought.run(["images", "--format", "{{.Foo}}"]);
  assert.equal(bad.status, 1);
  assert.equal(
    bad.stderr,
    `template parsing error: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.imageContext\n`,
  );
});

test("filters", () => {
  build("-t", "two:latest", "two");
  const list = (...args: string[]) => nought.out("images", "--format", "{{.Repository}}:{{.Tag}}", ...args).trim();
  assert.equal(list("app"), "app:1");
  assert.equal(list("app:1"), "app:1");
  assert.equal(list("app:9"), "");
  assert.equal(list("a*"), "app:1");
  assert.equal(list("*/*"), "user/app:2");
  assert.equal(list("UPPER"), "");
  assert.equal(list("docker.io/library/app"), "app:1");
  assert.equal(list("-f", "reference=app:*", "-f", "reference=two"), "app:1\ntwo:latest");
  assert.equal(list("-f", "label=a"), "app:1\nuser/app:2");
  assert.equal(list("-f", "label=a=b", "app"), "app:1");
  assert.equal(list("-f", "label=a=c"), "");
  assert.equal(list("-f", "dangling=true"), "");
  assert.equal(list("-f", "dangling=false", "two"), "two:latest");
  assert.equal(list("-f", "until=2023-11-14T22:13:20Z"), "");
  assert.equal(list("-f", "until=24h", "two"), "two:latest");
  assert.equal(list("-f", "since=app:1"), "");
  for (const [filter, message] of [
    ["dangling=x", "invalid filter 'dangling=[x]'"],
    ["until=soon", "until=soon: neither a duration"],
    ["before=nope", "No such image: nope:latest"],
  ]) {
    const { status, stderr } = nought.run(["images", "-f", filter as string]);
    assert.equal(status, 1);
    assert.ok(stderr.includes(message as string), stderr);
  }
});

test("history reads as docker's", () => {
  const short = nought.out("images", "-q", "app").trim();
  const line = (id: string, by: string, size: string) =>
    `${id.padEnd(15)}${AGE}   ${by.padEnd(35)}${size.padEnd(10)}buildkit.dockerfile.v0`;
  assert.equal(
    nought.out("history", "app:1"),
    [
      `IMAGE          ${"CREATED".padEnd(AGE.length + 3)}${"CREATED BY".padEnd(35)}SIZE      COMMENT`,
      line(short, 'ENTRYPOINT ["/app/hello" "&&<>"]', "0B"),
      line("<missing>", "COPY /app/hello /h2 # buildkit", "6B"),
      line("<missing>", "ENV X=y", "0B"),
      line("<missing>", "LABEL a=b", "0B"),
      line("<missing>", "WORKDIR /srv", "0B"),
      line("<missing>", "COPY hello /app/hello # buildkit", "6B"),
      "",
    ].join("\n"),
  );
  assert.equal(nought.out("history", "-q", "app:1").split("\n")[0], short);
  const plain = nought.out("history", "--human=false", "--format", "{{.CreatedSince}} {{.Size}}", "app:1");
  assert.equal(plain.split("\n")[1], "2023-11-14T22:13:20Z 6");
  assert.match(nought.out("history", "--human=false", "app:1"), /^IMAGE +CREATED AT +CREATED BY/);
  const first = JSON.parse(nought.out("history", "--format", "json", "app:1").split("\n")[0] as string);
  assert.deepEqual(Object.keys(first), ["Comment", "CreatedAt", "CreatedBy", "CreatedSince", "ID", "Size"]);
  const zero = nought.run(["build", "-q", "-t", "zero", "ctx"], { env: { SOURCE_DATE_EPOCH: "0" } });
  assert.equal(zero.status, 0);
  assert.match(nought.out("history", "zero"), /\n<missing> +N\/A {7}/);
  assert.match(nought.out("images", "zero"), /zero +latest +\S+ +\d+ years ago/);
  assert.equal(nought.run(["history", "nope"]).status, 1);
  nought.out("rmi", "zero");
});

test("inspect has docker's shape, by name, ID, prefix and digest", () => {
  const [image] = JSON.parse(nought.out("inspect", "app:1"));
  assert.deepEqual(Object.keys(image), [
    "Id",
    "RepoTags",
    "RepoDigests",
    "Parent",
    "Comment",
    "Created",
    "DockerVersion",
    "Author",
    "Architecture",
    "Os",
    "Size",
    "GraphDriver",
    "RootFS",
    "Metadata",
    "Descriptor",
    "Config",
  ]);
  assert.deepEqual(image.RepoTags, ["app:1", "user/app:2"]);
  assert.equal(image.RootFS.Layers.length, 3);
  assert.deepEqual(image.Config.Env, ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "X=y"]);
  assert.deepEqual(image.Config.Labels, { a: "b" });
  assert.equal(image.Config.Volumes, null);
  assert.deepEqual(Object.keys(image.Config), Object.keys(image.Config).sort());
  assert.ok(nought.out("inspect", "app:1").includes('"\\u0026\\u0026\\u003c\\u003e"'));
  for (const name of [
    image.Id,
    image.Id.slice(7),
    image.Id.slice(7, 10),
    image.Id.slice(0, 15),
    image.RepoDigests[0],
    image.Descriptor.digest,
  ]) {
    assert.equal(nought.out("inspect", "-f", "{{.Id}}", name), `${image.Id}\n`, name);
  }
  assert.equal(
    nought.out("inspect", "-f", "{{json .Config.Entrypoint}} {{.Os}} {{.Config.Cmd}}", "app:1"),
    '["/app/hello","&&<>"] linux []\n',
  );
  assert.equal(JSON.parse(nought.out("image", "inspect", "--format", "json", "app:1")).Id, image.Id);
});

test("inspect tells of what is not there, and shows the rest", () => {
  const none = nought.run(["inspect", "nope"]);
  assert.deepEqual([none.status, none.stdout, none.stderr], [1, "[]\n", "Error: No such object: nope\n"]);
  const image = nought.run(["image", "inspect", "nope", "app:1", "scratch"]);
  assert.equal(image.status, 1);
  assert.equal(JSON.parse(image.stdout).length, 1);
  assert.equal(image.stderr, "Error: No such image: nope:latest\nError: No such image: scratch:latest\n");
  assert.equal(nought.run(["inspect", "--type", "container", "app:1"]).status, 1);
  const parse = nought.run(["inspect", "-f", "{{.Id", "app:1"]);
  assert.deepEqual([parse.status, parse.stderr], [64, "template parsing error: template: :1: unclosed action\n"]);
  const field = nought.run(["inspect", "-f", "{{.Config.Nope}}", "app:1"]);
  assert.equal(field.status, 1);
  assert.equal(field.stderr, 'template parsing error: template: :1:9: executing "" at <.Config.Nope>: map has no entry for key "Nope"\n');
});

test("tag and rmi: names come and go, the image with the last of them", () => {
  const id = nought.out("images", "-q", "--no-trunc", "two").trim();
  assert.equal(nought.out("tag", "two", "two:b"), "");
  assert.equal(nought.out("tag", id.slice(7, 15), "h.io:5000/x/two:c"), "");
  assert.equal(nought.out("rmi", "two:b"), "Untagged: two:b\n");
  const conflict = nought.run(["rmi", id.slice(7, 15)]);
  assert.equal(conflict.status, 1);
  assert.equal(
    conflict.stderr.split("\n")[0],
    `ERROR: conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
  );
  assert.equal(nought.out("rmi", "-f", id.slice(7, 15)), `Untagged: two:latest\nUntagged: h.io:5000/x/two:c\nDeleted: ${id}\n`);
  const gone = nought.run(["rmi", "two", "user/app:2", "nope"]);
  assert.equal(gone.status, 1);
  assert.equal(gone.stdout, "Untagged: user/app:2\n");
  assert.match(gone.stderr, /No such image: two:latest[^]*No such image: nope:latest/);
  assert.equal(nought.run(["rmi", "-f", "nope"]).status, 0);
  assert.match(nought.out("rmi", "app:1"), /^Untagged: app:1\nDeleted: sha256:[0-9a-f]{64}\n$/);
  assert.equal(nought.out("images", "-q"), "");
});

test("an image that loses its name to another stays as <none> until it is pruned", () => {
  const first = build("-t", "app", "ctx");
  build("-t", "app", "two");
  assert.match(nought.out("images", "-a"), new RegExp(`\n<none> +<none> +${first.slice(7, 19)} `));
  assert.equal(nought.out("images", "-q", "-f", "dangling=true"), `${first.slice(7, 19)}\n`);
  const asked = nought.run(["image", "prune"], { input: "n\n" });
  assert.deepEqual(
    [asked.status, asked.stdout],
    [0, "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] "],
  );
  assert.equal(nought.run(["image", "prune"]).stdout, asked.stdout);
  const pruned = nought.run(["image", "prune"], { input: "y\n" });
  assert.match(pruned.stdout, new RegExp(`Deleted Images:\ndeleted: ${first}\n\nTotal reclaimed space: \\S+B\n$`));
  assert.equal(nought.out("images", "-q", "-f", "dangling=true"), "");
  assert.equal(nought.out("image", "prune", "-f"), "Total reclaimed space: 0B\n");
});

test("disk usage, and pruning of everything", () => {
  assert.match(nought.out("system", "df"), /^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\nImages +1 +0 +\S+B +\S+B \(100%\)\n/);
  const rows = nought
    .out("system", "df", "--format", "json")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map((row) => row.Type),
    ["Images", "Containers", "Local Volumes", "Build Cache"],
  );
  assert.match(nought.out("system", "df", "-v"), /Images space usage:\n\nREPOSITORY[^]*\nBuild cache usage: \S+B\n\nCACHE ID/);
  assert.match(nought.out("builder", "prune", "-f"), /Total:\t\S+B\n$/);
  assert.match(
    nought.run(["system", "prune", "-a"]).stdout,
    /^WARNING! This will remove:\n {2}- all stopped containers\n {2}- all images[^]*\[y\/N\] $/,
  );
  assert.match(
    nought.out("system", "prune", "-a", "-f"),
    /untagged: app:latest\ndeleted: sha256:[0-9a-f]{64}\n[^]*Total reclaimed space: /,
  );
  assert.equal(nought.out("images", "-aq"), "");
  assert.match(nought.out("info"), /\n Images: +0\n/);
  assert.equal(JSON.parse(nought.out("info", "-f", "{{json .}}")).Images, 0);
});

test("a damaged image is told of and can be removed; the others are listed", () => {
  const id = build("-t", "sound", "two");
  build("-t", "hurt", "ctx");
  const digest = nought.out("inspect", "-f", "{{.Descriptor.digest}}", "hurt").trim().slice(7);
  const { status } = nought.shell(`f=$NOUGHT_STORE/blobs/sha256/${digest} && chmod u+w "$f" && printf x >"$f"`);
  assert.equal(status, 0);
  const list = nought.run(["images"]);
  assert.equal(list.status, 0);
  assert.match(list.stdout, new RegExp(`^REPOSITORY.*\nsound +latest +${id.slice(7, 19)} .*\n$`));
  assert.match(list.stderr, /^WARNING: image hurt:latest is damaged: /);
  assert.match(nought.out("rmi", "hurt"), /^Untagged: hurt:latest\nDeleted: /);
  assert.equal(nought.run(["images"]).stderr, "");
});
