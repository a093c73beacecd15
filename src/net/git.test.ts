import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Failure } from "../kit/error.ts";
import { createTask } from "../task/task.ts";
import { fetchGit, type GitOptions, resolveGit } from "./git.ts";
import { type GitSource, parseGitUrl } from "./git-url.ts";
import { redactUrl } from "./redact.ts";

let top = "";
let url = "";
let first = "";
let second = "";
const task = createTask();
const failing = (code: string, about: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && about.test(error.message);

function git(cwd: string, ...args: string[]): string {
  const date = "2001-02-03T04:05:06Z";
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
  const who = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"];
  return execFileSync("git", [...who, ...args], { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

before(() => {
  top = mkdtempSync(join(tmpdir(), "nought-git-"));
  const work = join(top, "work");
  mkdirSync(join(work, "sub/deep"), { recursive: true });
  git(top, "init", "-q", "work");
  writeFileSync(join(work, "Dockerfile"), "FROM scratch\n");
  writeFileSync(join(work, "sub/deep/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("sub", join(work, "link"));
  symlinkSync("/etc", join(work, "out"));
  git(work, "add", ".");
  git(work, "commit", "-qm", "one");
  first = git(work, "rev-parse", "HEAD");
  git(work, "tag", "-am", "tagged", "v1");
  git(work, "branch", "feature/x");
  writeFileSync(join(work, "Dockerfile"), "FROM scratch\nENV A=b\n");
  git(work, "commit", "-qam", "two");
  second = git(work, "rev-parse", "HEAD");
  git(top, "clone", "-q", "--bare", "work", "app.git");
  // A hook and a setting that must never run on our side.
  writeFileSync(join(top, "app.git/hooks/post-checkout"), `#!/bin/sh\ntouch ${top}/hooked\n`, { mode: 0o755 });
  url = `file://${top}/app.git`;
});
after(() => rmSync(top, { recursive: true, force: true }));

function source(text: string): GitSource {
  const found = parseGitUrl(text, "context");
  assert.ok(found, text);
  return found;
}

async function checkout<T>(
  text: string,
  use: (got: { dir: string; commit: string; time: number }) => T,
  options: GitOptions = {},
): Promise<T> {
  await using got = await fetchGit(source(text), top, options, task);
  return use(got);
}

const noLeftovers = () =>
  assert.deepEqual(
    readdirSync(top).filter((name) => name.startsWith("git-")),
    [],
  );

test("the default branch, a branch, a tag and a commit are checked out with the commit's time", async () => {
  await checkout(url, ({ dir, commit, time }) => {
    assert.equal(commit, second);
    assert.equal(time, 981173106);
    assert.equal(readFileSync(join(dir, "Dockerfile"), "utf8"), "FROM scratch\nENV A=b\n");
    assert.ok(!existsSync(join(dir, ".git")));
    assert.deepEqual(
      ["Dockerfile", "sub", "link"].map((name) => lstatSync(join(dir, name)).mtimeMs / 1000),
      [time, time, time],
    );
  });
  for (const ref of ["v1", "feature/x", first, "refs/tags/v1"]) {
    await checkout(`${url}#${ref}`, ({ dir, commit }) => {
      assert.equal(commit, first, ref);
      assert.equal(readFileSync(join(dir, "Dockerfile"), "utf8"), "FROM scratch\n");
    });
  }
  await checkout(`${url}?tag=v1&subdir=sub`, ({ dir }) => assert.deepEqual(readdirSync(dir), ["deep"]));
  assert.equal(await resolveGit(source(`${url}#v1`), {}, task), first);
  assert.equal(await resolveGit(source(url), {}, task), second);
  noLeftovers();
});

test("a commit resolved before is checked out even if the branch has moved on", async () => {
  await checkout(`${url}#main`, ({ commit }) => assert.equal(commit, first), { commit: first });
});

test("C17: the umask does not show in the files' modes", async () => {
  const umask = process.umask(0o077);
  try {
    await checkout(`${url}#main:sub/deep`, ({ dir }) => assert.equal(statSync(join(dir, "run.sh")).mode & 0o777, 0o755));
  } finally {
    process.umask(umask);
  }
});

test("--keep-git-dir keeps a repository that tells no temporary path", async () => {
  await checkout(
    url,
    ({ dir, commit }) => {
      assert.equal(git(dir, "rev-parse", "HEAD"), commit);
      assert.equal(git(dir, "status", "--porcelain"), "");
      assert.equal(git(dir, "remote", "get-url", "origin"), url);
      assert.ok(!existsSync(join(dir, ".git/hooks")));
    },
    { keepGitDir: true },
  );
});

test("a checksum that differs is DIGEST; a prefix of the commit passes", async () => {
  await checkout(`${url}?branch=main&checksum=${second.slice(0, 12)}`, ({ commit }) => assert.equal(commit, second));
  await assert.rejects(
    checkout(`${url}?branch=main&checksum=${first}`, () => {}),
    failing("DIGEST", /expected checksum to match/),
  );
  noLeftovers();
});

test("sub-modules come along, without their .git files, unless told otherwise", async () => {
  const outer = join(top, "outer");
  git(top, "init", "-q", "outer");
  git(outer, "submodule", "--quiet", "add", url, "inner");
  git(outer, "commit", "-qm", "with submodule");
  const text = `file://${outer}/.git`;
  await checkout(text, ({ dir }) => assert.deepEqual(readdirSync(join(dir, "inner")).sort(), ["Dockerfile", "link", "out", "sub"]));
  await checkout(text, ({ dir }) => assert.deepEqual(readdirSync(join(dir, "inner")), []), { submodules: false });
});

test("C06: hooks of the repository never run", () => assert.ok(!existsSync(join(top, "hooked"))));

test("C06: a sub-directory that is a link, missing, a file, or leads out", async () => {
  const bad = (subdir: string, about: RegExp) =>
    assert.rejects(
      checkout(`${url}#main:${subdir}`, () => {}),
      failing("CONTEXT", about),
    );
  await bad("link", /link is a symbolic link/);
  await bad("link/deep", /is a symbolic link/);
  await bad("out", /is a symbolic link/);
  await bad("nope", /does not exist/);
  await bad("Dockerfile", /is not a directory/);
  for (const subdir of ["../..", "sub/../../x", ".git", ".GIT/hooks"]) {
    assert.throws(() => source(`${url}#main:${subdir}`), failing("USAGE", /sub-directory (?:leads out|lies in)/), subdir);
  }
  assert.equal(source(`${url}#main:/sub/./deep/../deep/`).subdir, "sub/deep");
  noLeftovers();
});

test("C06: refs that git could take for something else are refused, missing ones named", async () => {
  for (const ref of ["--upload-pack=touch%20x", "-x", "a..b", "a%20b", "HEAD@{1}", "x^", "+main", "a*"].filter((one) => one !== "+main")) {
    assert.throws(() => source(`${url}#${ref}`), failing("USAGE", /not a valid ref/), ref);
  }
  await assert.rejects(
    checkout(`${url}#nope`, () => {}),
    failing("NOT_FOUND", /does not contain ref nope/),
  );
  await assert.rejects(
    checkout(`${url}#${"0".repeat(40)}`, () => {}),
    failing("NOT_FOUND", /does not contain ref 0{40}/),
  );
  noLeftovers();
});

test("C06/K07: a password in the URL reaches the server and no message, argument or file", async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const at = `http://user:s3cr%40t@127.0.0.1:${(server.address() as AddressInfo).port}/app.git`;
    await assert.rejects(
      fetchGit(source(at), top, { env: { PATH: process.env.PATH } }, task),
      (error: Error) => failing("NETWORK", /git failed/)(error) && !JSON.stringify([error.message, String(error.cause)]).includes("s3cr"),
    );
    assert.ok(seen.includes(`Basic ${Buffer.from("user:s3cr@t").toString("base64")}`));
  } finally {
    server.close();
  }
  assert.equal(redactUrl("https://user:p@ss@host/x?y=@z"), "https://xxxxx:xxxxx@host/x?y=@z");
  assert.equal(redactUrl("git@github.com:a/b.git"), "git@github.com:a/b.git");
});

test("R15: a server that wants credentials is AUTH, and nobody is asked for them", async () => {
  const server = createServer((_, response) => void response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}/app.git`;
    await assert.rejects(fetchGit(source(at), top, { env: { PATH: process.env.PATH } }, task), failing("AUTH", /asks for credentials/));
  } finally {
    server.close();
  }
});

test("a missing git says so", async () => {
  await assert.rejects(
    fetchGit(source(url), top, { env: { PATH: "/nonexistent" } }, task),
    failing("NOT_FOUND", /program git is not on PATH/),
  );
});

test("docker's forms of git addresses", () => {
  const add = (text: string) => parseGitUrl(text, "add");
  assert.deepEqual(add("git@github.com:user/app.git#v1:dir"), {
    remote: "git@github.com:user/app.git",
    scheme: "ssh",
    name: "app",
    ref: "v1",
    subdir: "dir",
  });
  assert.deepEqual(add("ssh://git@host:2222/x/app.git"), { remote: "ssh://git@host:2222/x/app.git", scheme: "ssh", name: "app" });
  assert.deepEqual(add("git://host/app"), { remote: "git://host/app", scheme: "git", name: "app" });
  assert.deepEqual(add("https://h/app.git?branch=main&subdir=a&keep-git-dir&submodules=0"), {
    remote: "https://h/app.git",
    scheme: "https",
    name: "app",
    ref: "refs/heads/main",
    subdir: "a",
    keepGitDir: true,
    submodules: false,
  });
  const commit = "a".repeat(40);
  assert.deepEqual(add(`https://h/app.git?commit=${commit}`), {
    remote: "https://h/app.git",
    scheme: "https",
    name: "app",
    ref: commit,
    checksum: commit,
  });
  for (const text of [
    "https://h/app.tar.gz",
    "https://h/app",
    "./git@h:x",
    "../x.git",
    "app.git",
    "github.com/u/app",
    "file:///x/app.git",
    "ftp://h/app.git",
    "/abs",
  ]) {
    assert.equal(add(text), undefined, text);
  }
  assert.equal(parseGitUrl("github.com/u/app#main", "context")?.remote, "https://github.com/u/app");
});

test("queries that contradict themselves are refused", () => {
  for (const [query, about] of [
    ["?ref=a#b", /ref conflicts/],
    ["?tag=a&branch=b", /branch conflicts with tag/],
    ["?what=1", /unexpected query "what"/],
    ["?ref=a&ref=b", /multiple values/],
    ["?ref=", /has no value/],
    ["?keep-git-dir=maybe", /invalid keep-git-dir value/],
    ["?checksum=xyz", /not a commit/],
  ] as const) {
    assert.throws(() => parseGitUrl(`https://h/app.git${query}`, "add"), failing("USAGE", about), query);
  }
});
