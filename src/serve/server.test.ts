import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startOwnRegistry, type TestRegistry } from "../../test/registries.ts";
import { ask, pushBlob, pushImage } from "../../test/suites/distribution-requests.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { openPath } from "./open.ts";
import { serveRegistry } from "./server.ts";

let registry: TestRegistry;
const dir = mkdtempSync(join(tmpdir(), "nought-serve-"));
before(async () => {
  registry = await startOwnRegistry(join(dir, "registry"));
});
after(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});

/** One request as it is typed, and all that comes back until the other side closes. */
function raw(text: string): Promise<string> {
  const [host = "", port = ""] = registry.host.split(":");
  return new Promise((resolve, reject) => {
    let got = "";
    const socket = connect(Number(port), host, () => socket.write(text));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer: ${got}`)));
    socket.on("data", (chunk) => (got += chunk.toString("latin1")));
    socket.on("end", () => resolve(got));
    socket.on("error", reject);
  });
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const request = (line: string, headers: readonly string[] = [`Host: ${registry.host}`]) =>
  raw(`${line} HTTP/1.1\r\n${[...headers, "Connection: close"].join("\r\n")}\r\n\r\n`);

test("W01: it listens on loopback only", async () => {
  const opened = await openPath(join(dir, "another"), false);
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com"])
    await assert.rejects(serveRegistry(opened.holdings, { host, port: 0 }), { code: "USAGE" });
  opened[Symbol.dispose]();
});

test("W02: Host of another name, missing or doubled gets no data", async () => {
  for (const headers of [["Host: evil.example"], [], [`Host: ${registry.host}`, "Host: evil.example"], ["Host: localhost.evil.example"]]) {
    const status = statusOf(await request("GET /v2/", headers));
    assert.ok(status === 400 || status === 403, `${headers}: ${status}`);
  }
  assert.equal(statusOf(await request("GET /v2/", ["Host: localhost:1234"])), 200);
});

test("W03: what a web page of another origin causes is refused, and no CORS header is given", async () => {
  for (const header of ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]) {
    const answer = await request("POST /v2/a/blobs/uploads/", [`Host: ${registry.host}`, header, "Content-Length: 0"]);
    assert.equal(statusOf(answer), 403);
    assert.doesNotMatch(answer, /access-control/i);
  }
});

test("W05: no spelling of a path leads out", async () => {
  writeFileSync(join(dir, "secret"), "secret");
  const paths = [
    "/v2/../../secret",
    "/v2/%2e%2e/%2e%2e/secret",
    "/v2/a/manifests/..",
    "/v2/a/manifests/%2e%2e",
    "/v2/a/manifests/..%2f..%2fsecret",
    "/v2/a/manifests/%252e%252e",
    "/v2/../manifests/secret",
    "/v2/a/../b/tags/list",
    "/v2/_tags/tags/list",
    "/v2/a/_tags/tags/list",
    "/v2/a\\..\\b/tags/list",
    "/v2/a%00/tags/list",
    "//v2/a/tags/list",
    `/v2/a/blobs/sha256:${"../".repeat(21)}x`,
    "http://127.0.0.1/v2/../secret",
    "/v2/a/blobs/uploads/../../secret",
  ];
  for (const path of paths) {
    const answer = await request(`GET ${path}`);
    assert.ok(statusOf(answer) >= 400 && statusOf(answer) < 500, `${path}: ${answer.slice(0, 100)}`);
    assert.doesNotMatch(answer, /secret\n|\/tmp/);
  }
  for (const from of ["../x", "a/../b", "A"])
    assert.equal(
      (await ask(registry.host, "POST", `/v2/a/blobs/uploads/?mount=${digestOf("x")}&from=${encodeURIComponent(from)}`)).status,
      400,
    );
});

test("W10: many slow clients and strange requests leave it at work", async () => {
  const slow = Array.from({ length: 100 }, () => {
    const [host = "", port = ""] = registry.host.split(":");
    const socket = connect(Number(port), host, () => socket.write("GET /v2/ HTTP/1.1\r\nHost:"));
    socket.on("error", () => {});
    return socket;
  });
  try {
    assert.ok(statusOf(await request("GET /v2/%zz/tags/list")) >= 400);
    // A client that goes on sending headers may see the connection's end before the answer.
    await request("GET /v2/", [`Host: ${registry.host}`, `X: ${"y".repeat(100_000)}`]).catch(() => {});
    assert.ok(statusOf(await request("BREW /v2/")) >= 400);
    assert.equal((await ask(registry.host, "GET", "/v2/")).status, 200);
  } finally {
    for (const socket of slow) socket.destroy();
  }
});

test("an upload that is cut goes on from what had arrived", async () => {
  const bytes = randomBytes(3_000_000);
  const started = await ask(registry.host, "POST", "/v2/cut/blobs/uploads/");
  const at = started.headers.get("location") as string;
  await new Promise<void>((resolve, reject) => {
    const [host = "", port = ""] = registry.host.split(":");
    const socket = connect(Number(port), host, () => {
      socket.write(`PATCH ${at} HTTP/1.1\r\nHost: ${registry.host}\r\nContent-Length: ${bytes.length}\r\n\r\n`);
      socket.write(bytes.subarray(0, 1_234_567), () => setTimeout(() => socket.resetAndDestroy(), 200));
    });
    socket.on("close", () => resolve());
    socket.on("error", reject);
  });
  const state = await ask(registry.host, "GET", at);
  const size = Number(/^0-(\d+)$/.exec(state.headers.get("range") ?? "")?.[1]) + 1;
  assert.equal(size, 1_234_567);
  assert.equal(
    (await ask(registry.host, "PATCH", at, { "content-range": `${size}-${bytes.length - 1}` }, bytes.subarray(size))).status,
    202,
  );
  assert.equal((await ask(registry.host, "PUT", `${at}?digest=${digestOf(bytes)}`)).status, 201);
  assert.deepEqual((await ask(registry.host, "GET", `/v2/cut/blobs/${digestOf(bytes)}`)).bytes, bytes);
});

test("the same blob pushed many times at once, and a tag that moves meanwhile, end whole", async () => {
  const bytes = randomBytes(400_000);
  await Promise.all(Array.from({ length: 12 }, () => pushBlob(registry.host, "many", bytes)));
  assert.deepEqual((await ask(registry.host, "GET", `/v2/many/blobs/${digestOf(bytes)}`)).bytes, bytes);
  const pushed = await Promise.all(Array.from({ length: 8 }, () => pushImage(registry.host, "many", "tag")));
  const got = await ask(registry.host, "GET", "/v2/many/manifests/tag");
  assert.ok(pushed.some((one) => one.bytes.equals(got.bytes)));
  assert.deepEqual(readdirSync(join(dir, "registry", "uploads")), []);
});

test("several parts of a blob come in one answer", async () => {
  const bytes = randomBytes(1_000);
  const { digest } = await pushBlob(registry.host, "parts", bytes);
  const got = await ask(registry.host, "GET", `/v2/parts/blobs/${digest}`, { range: "bytes=0-9,500-599,-1" });
  assert.equal(got.status, 206);
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(got.headers.get("content-type") ?? "")?.[1];
  assert.equal(got.headers.get("content-length"), String(got.bytes.length));
  const text = got.bytes.toString("latin1");
  const parts = text.split(`--${boundary}`).slice(1, -1);
  assert.deepEqual(
    parts.map((part) => [/Content-Range: (.*)\r\n/.exec(part)?.[1], Buffer.from(part.slice(part.indexOf("\r\n\r\n") + 4, -2), "latin1")]),
    [
      ["bytes 0-9/1000", bytes.subarray(0, 10)],
      ["bytes 500-599/1000", bytes.subarray(500, 600)],
      ["bytes 999-999/1000", bytes.subarray(999)],
    ],
  );
  assert.ok(text.endsWith(`\r\n--${boundary}--\r\n`));
});

test("a manifest is bounded, strict, and kept with its own bytes", async () => {
  const config = await pushBlob(registry.host, "strict", Buffer.from('{"rootfs":{"type":"layers"}}'));
  const put = (text: string, type: string = MEDIA.manifest) =>
    ask(registry.host, "PUT", "/v2/strict/manifests/x", { "content-type": type }, Buffer.from(text));
  const good = `{ "schemaVersion": 2, "config": {"mediaType": "${MEDIA.config}", "digest": "${config.digest}", "size": ${config.size}}, "layers": [] }`;
  assert.equal((await put(good)).status, 201);
  assert.equal((await ask(registry.host, "GET", "/v2/strict/manifests/x")).bytes.toString(), good);
  assert.equal((await put(good.replace("2,", '2, "schemaVersion": 2,'))).status, 400, "a key twice");
  assert.equal((await put(good.replace("2,", '2, "manifests": [],'))).status, 400, "a manifest that is an index too");
  assert.equal((await put(good, "text/html")).status, 400);
  assert.equal((await put(`${good}${" ".repeat(5 << 20)}`)).status, 413);
});

test("a folder belongs to one server at a time, and a strange one to none", async () => {
  await assert.rejects(openPath(join(dir, "registry"), false), /served by another process/);
  await assert.rejects(openPath(dir, false), /holds other files/);
  await assert.rejects(openPath(join(dir, "missing"), true), { code: "STORAGE" });
  assert.ok(!existsSync(join(dir, "missing")));
  const opened = await openPath(join(dir, "registry"), true);
  assert.equal(opened.holdings.write, undefined);
  opened[Symbol.dispose]();
});

test("blobs that no repository has go when the registry starts again, and the others stay", async () => {
  const folder = join(dir, "again");
  const first = await startOwnRegistry(folder);
  const gone = await pushBlob(first.host, "a", randomBytes(100));
  const image = await pushImage(first.host, "a", "kept");
  await ask(first.host, "DELETE", `/v2/a/blobs/${gone.digest}`);
  writeFileSync(join(folder, "uploads", "upload-1-2-3-4-5"), "left by one that is dead");
  await first.close();
  const second = await startOwnRegistry(folder);
  const files = readdirSync(join(folder, "blobs", "sha256"));
  assert.ok(!files.includes(gone.digest.slice(7)));
  assert.equal(files.length, 3);
  assert.deepEqual(readdirSync(join(folder, "uploads")), []);
  assert.deepEqual((await ask(second.host, "GET", "/v2/a/manifests/kept")).bytes, image.bytes);
  await second.close();
});
