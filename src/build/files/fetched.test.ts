import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { tar } from "../../../test/craft-tar.ts";
import { refused } from "../../../test/refused.ts";
import { Workbench } from "../../../test/workbench.ts";
import { digestOf } from "../../oci/digest.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine; `asked` are the paths of its requests. */
async function serving(answer: Answer, use: (base: string, asked: string[]) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const DATE = "Tue, 15 Nov 1994 12:45:26 GMT";

test("ADD of a URL: named as its path ends, 0600, root's, with the server's time", async () => {
  await serving(
    (_, response) =>
      void response.writeHead(200, { "last-modified": DATE, "content-disposition": 'attachment; filename="../../evil"' }).end("hello"),
    async (base) => {
      await using bench = new Workbench();
      const { get, text, result } = await bench.build(
        bench.folder("context", {}),
        `FROM scratch\nADD ${base}/dir/a%20b.txt?q=1 /x/\nADD --chown=1:2 --chmod=755 ${base}/y /file\n`,
      );
      const entry = await get("/x/a b.txt");
      assert.deepEqual([entry?.mode, entry?.uid, entry?.gid, entry?.mtime], [0o600, 0, 0, 784_903_526]);
      assert.equal(await text("/x/a b.txt"), "hello");
      const other = await get("/file");
      assert.deepEqual([other?.mode, other?.uid, other?.gid], [0o755, 1, 2]);
      assert.match(
        result.assembled.image.config.history[0]?.created_by ?? "",
        /^ADD http:\/\/127\.0\.0\.1:\d+\/dir\/a%20b\.txt\?q=1 \/x\/ # buildkit$/,
      );
    },
  );
});

test("an unchanged URL is asked about and not fetched again; a changed one is", async () => {
  let version = 1;
  await serving(
    (request, response) => {
      const etag = `"v${version}"`;
      if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
      else response.writeHead(200, { etag }).end(`version ${version}`);
    },
    async (base, asked) => {
      await using bench = new Workbench();
      const dir = bench.folder("context", {});
      const dockerfile = `FROM scratch\nADD ${base}/f /f\n`;
      await bench.build(dir, dockerfile);
      assert.equal((await bench.build(dir, dockerfile)).cached.length, 1);
      version = 2;
      const { text, done } = await bench.build(dir, dockerfile);
      assert.equal(done.length, 1);
      assert.equal(await text("/f"), "version 2");
      assert.equal(asked.length, 3);
    },
  );
});

test("C13: a checksum decides: the right one needs no second request, a wrong one keeps nothing, a lying ETag changes nothing", async () => {
  let content = "good";
  await serving(
    (request, response) => {
      if (request.headers["if-none-match"]) response.writeHead(304).end();
      else response.writeHead(200, { etag: '"always the same"' }).end(content);
    },
    async (base, asked) => {
      await using bench = new Workbench();
      const dir = bench.folder("context", {});
      const build = (sum: string) => bench.build(dir, `FROM scratch\nADD --checksum=${sum} ${base}/f /f\n`);
      content = "evil";
      await assert.rejects(build(digestOf("good")), refused("DIGEST", /\/f.*sha256:/));
      assert.equal((await bench.store).sizeOf(digestOf("evil")), undefined, "what does not match is not kept");
      content = "good";
      assert.equal(await (await build(digestOf("good"))).text("/f"), "good");
      const before = asked.length;
      assert.equal((await build(digestOf("good"))).cached.length, 1);
      assert.equal(asked.length, before, "not asked again");
      content = "better";
      assert.equal(
        await (await build(digestOf("better"))).text("/f"),
        "better",
        "another checksum is another file, whatever the ETag says",
      );
      await assert.rejects(build("sha256:zz"), refused("SYNTAX", /checksum|digest/i));
    },
  );
});

test("C13: failures name the address without its password, and leave nothing", async () => {
  await serving(
    (request, response) => {
      if (request.url === "/elsewhere") response.writeHead(302, { location: "file:///etc/passwd" }).end();
      else response.writeHead(404).end();
    },
    async (base) => {
      await using bench = new Workbench();
      const dir = bench.folder("context", {});
      const host = base.replace("http://", "");
      for (const [url, words] of [
        [`http://user:s3cret@${host}/missing`, /missing.*404|404.*missing/],
        [`${base}/elsewhere`, /file/],
      ] as const) {
        const error = await bench.build(dir, `FROM scratch\nADD ${url} /\n`).catch((failure) => failure);
        refused("NETWORK", words)(error);
        assert.doesNotMatch(`${error.message}${error.hint}`, /s3cret/);
      }
      await assert.rejects(bench.build(dir, `FROM scratch\nCOPY ${base}/f /\n`), refused("PLAN", /source can't be a URL for COPY/));
    },
  );
});

test("ADD --unpack unpacks what was fetched, and without it an archive stays one", async () => {
  const archive = gzipSync(tar({ name: "inside", body: "x", uid: 5, gid: 6, mode: 0o640 }));
  await serving(
    (_, response) => void response.end(archive),
    async (base) => {
      await using bench = new Workbench();
      const dir = bench.folder("context", { local: tar({ name: "of the context", body: "y" }) });
      const { get, text } = await bench.build(
        dir,
        `FROM scratch\nADD --unpack=true ${base}/a.tgz /in/\nADD ${base}/a.tgz /plain/\nADD --unpack=false local /kept\nADD local ${base}/b /both/\n`,
      );
      const entry = await get("/in/inside");
      assert.deepEqual([entry?.uid, entry?.gid, entry?.mode], [5, 6, 0o640]);
      assert.equal(((await get("/plain/a.tgz")) as { size: number }).size, archive.length);
      assert.equal((await get("/kept"))?.kind, "file");
      assert.equal(await text("/both/of the context"), "y");
      assert.equal((await get("/both/b"))?.kind, "file");
    },
  );
});

/** Git's own CGI program, for a server. */
function httpBackend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "", "http://x");
  const env = {
    ...process.env,
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: "1",
    PATH_INFO: url.pathname,
    QUERY_STRING: url.search.slice(1),
    REQUEST_METHOD: request.method,
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
    GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
  };
  const child = spawn("git", ["http-backend"], { env, stdio: ["pipe", "pipe", "ignore"] });
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.once("close", () => {
    const said = Buffer.concat(chunks);
    const end = said.indexOf("\r\n\r\n");
    for (const line of said.toString("latin1", 0, end).split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      if (name === "Status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(said.subarray(end + 4));
  });
}

const withoutGit = spawnSync("git", ["--version"]).status === 0 ? false : "git is not installed";

test("ADD of a git repository: a commit's files, without .git, known by the commit", { skip: withoutGit }, async () => {
  await using bench = new Workbench();
  const work = bench.folder("work", { f: "of the repository", sub: { s: "below", no: "x" } });
  const git = (cwd: string, ...args: string[]) =>
    execFileSync("git", ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main", ...args], {
      cwd,
      encoding: "utf8",
      stdio: "pipe",
      env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
    }).trim();
  git(work, "init", "-q");
  git(work, "add", ".");
  git(work, "commit", "-qm", "one");
  const commit = git(work, "rev-parse", "HEAD");
  git(bench.dir, "clone", "-q", "--bare", "work", "app.git");
  await serving(
    (request, response) => httpBackend(bench.dir, request, response),
    async (base) => {
      const dir = bench.folder("context", {});
      const dockerfile = `FROM scratch\nADD --exclude=no ${base}/app.git#main:sub /sub/\nADD --checksum=${commit} ${base}/app.git /all/\n`;
      const { text, get } = await bench.build(dir, dockerfile);
      assert.equal(await text("/sub/s"), "below");
      assert.equal(await get("/sub/no"), undefined);
      assert.equal(await text("/all/f"), "of the repository");
      assert.equal(await get("/all/.git"), undefined);
      assert.equal((await bench.build(dir, dockerfile)).cached.length, 2);
      await assert.rejects(
        bench.build(dir, `FROM scratch\nADD --checksum=${"0".repeat(40)} ${base}/app.git /\n`),
        refused("DIGEST", /0{40}|checksum/),
      );
    },
  );
});
