import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { test } from "node:test";
import { memoryReader, sampleImage } from "../../test/sample-image.ts";
import { NAME, type OpenHow, type Script, type Scripted, scripted } from "../../test/scripted-registry.ts";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import type { Rereadable } from "../oci/place.ts";
import { copyImage } from "../place/copy.ts";
import { createTask } from "../task/task.ts";
import type { Repository } from "./face.ts";

const task = createTask();
const failing =
  (code: string, about = /./) =>
  (error: unknown) =>
    error instanceof Failure && error.code === code && about.test(error.message);

const big = randomFillSync(Buffer.alloc(3 << 20));
const what = { digest: digestOf(big), size: big.length };
const source: Rereadable = { verified: false, [Symbol.asyncIterator]: () => pieces(0), from: (offset) => pieces(offset) };

async function* pieces(from: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < big.length; at += 100_000) yield big.subarray(at, Math.min(big.length, at + 100_000));
}

async function served(script: Script, use: (registry: Scripted, place: Repository) => Promise<void>, how: OpenHow = {}) {
  const registry = await scripted(undefined, script);
  try {
    await using place = await registry.open({ access: "push", ...how });
    await use(registry, place);
  } finally {
    await registry.close();
  }
}

const methods = (registry: Scripted) => registry.log.filter((one) => one.kind === "upload").map((one) => one.method);

test("a blob goes in one piece, after a look whether it is there", () =>
  served(
    () => false,
    async (registry, place) => {
      await place.put(source, what);
      assert.ok(registry.blobs.get(what.digest)?.equals(big));
      assert.deepEqual(methods(registry), ["POST", "PUT"]);
      await place.put(source, what);
      assert.deepEqual(methods(registry), ["POST", "PUT"]);
    },
  ));

test("R18: an upload that is cut is taken up where the registry is, or begun anew", async () => {
  // Cut within the bytes: the registry has kept what came.
  let puts = 0;
  await served(
    ({ method }, response, request) => {
      if (method !== "PUT" || puts++ > 0) return false;
      let size = 0;
      request.on("data", (piece: Buffer) => {
        size += piece.length;
        if (size > 1 << 20) response.socket?.resetAndDestroy();
      });
      return true;
    },
    async (registry, place) => {
      await place.put(source, what);
      assert.ok(registry.blobs.get(what.digest)?.equals(big));
      assert.deepEqual(methods(registry), ["POST", "PUT", "GET", "POST", "PUT"]);
    },
  );
  // The registry kept a part, and says so.
  let kept = 0;
  await served(
    ({ method, nth, url }, response, request) => {
      if (method === "PUT" && nth === 1 && url.includes("/uploads/1")) {
        request.on("data", (piece: Buffer) => {
          kept += piece.length;
          if (kept > 1 << 20) response.socket?.resetAndDestroy();
        });
        return true;
      }
      if (method === "GET" && url.includes("/uploads/")) {
        response.writeHead(204, { location: "/v2/app/blobs/uploads/1", range: `0-${(1 << 20) - 1}` }).end();
        return true;
      }
      if (method === "PATCH") {
        assert.equal(request.headers["content-range"], `${1 << 20}-${big.length - 1}`);
        const tail: Buffer[] = [];
        request.on("data", (piece: Buffer) => tail.push(piece));
        request.on("end", () => {
          assert.ok(Buffer.concat(tail).equals(big.subarray(1 << 20)));
          response.writeHead(202, { location: "/v2/app/blobs/uploads/2" }).end();
        });
        return true;
      }
      if (method === "PUT" && url.includes("/uploads/2")) {
        response.writeHead(201).end();
        return true;
      }
      return false;
    },
    async (registry, place) => {
      await place.put(source, what);
      assert.deepEqual(methods(registry), ["POST", "PUT", "GET", "PATCH", "PUT"]);
    },
  );
});

test("R18: a cut at each stage of a push is got over, and the manifest comes last", async () => {
  const image = await sampleImage({ layers: [{ a: "1" }, { b: "2" }] });
  for (const stage of ["HEAD blob", "POST upload", "PUT upload", "HEAD manifest", "PUT manifest"]) {
    let cuts = 0;
    await served(
      ({ method, kind }, response) => `${method} ${kind}` === stage && cuts++ === 0 && Boolean(response.socket?.resetAndDestroy() ?? true),
      async (registry, place) => {
        await copyImage(memoryReader(image.blobs), place, image.root, task);
        await place.publish(NAME, image.root, task);
        assert.ok(cuts > 0, stage);
        assert.equal(registry.tags.get("1"), image.root.digest);
        const order = registry.log.filter((one) => one.method === "PUT").map((one) => one.kind);
        assert.ok(order.lastIndexOf("upload") < order.indexOf("manifest"), `${stage}: ${order.join(" ")}`);
      },
    );
  }
});

test("R18: a push that fails for good is NETWORK and sets no tag", async () => {
  const image = await sampleImage();
  await served(
    ({ method, kind }, response) => method === "PUT" && kind === "upload" && Boolean(response.writeHead(503).end()),
    async (registry, place) => {
      await assert.rejects(copyImage(memoryReader(image.blobs), place, image.root, task), failing("NETWORK", /status 503/));
      assert.equal(registry.tags.size, 0);
    },
  );
});

test("R18: a mount that is refused becomes an upload; 201 means that it worked", async () => {
  for (const mounts of [true, false]) {
    await served(
      ({ method, url, kind }, response) => {
        if (method !== "POST" || kind !== "upload") return false;
        assert.match(url, /\?mount=sha256:[0-9a-f]{64}&from=other%2Frepo$/);
        return mounts && Boolean(response.writeHead(201, { location: "/v2/app/blobs/x" }).end());
      },
      async (registry, place) => {
        await place.put(source, what);
        assert.equal(registry.blobs.has(what.digest), !mounts);
        assert.deepEqual(methods(registry), mounts ? ["POST"] : ["POST", "PUT"]);
      },
      { mountFrom: "other/repo" },
    );
  }
});

test("R18: who may not read the other repository uploads", () =>
  served(
    ({ url }, response) => url.includes("mount=") && Boolean(response.writeHead(403).end()),
    async (registry, place) => {
      await place.put(source, what);
      assert.ok(registry.blobs.has(what.digest));
    },
    { mountFrom: "other/repo" },
  ));

test("R19: another digest after PUT is DIGEST; a blob that HEAD denies is uploaded", async () => {
  const lie = `sha256:${"0".repeat(64)}`;
  await served(
    ({ method, kind }, response, request) => {
      if (method !== "PUT" || kind !== "upload") return false;
      request.resume().on("end", () => response.writeHead(201, { "docker-content-digest": lie }).end());
      return true;
    },
    async (_, place) => assert.rejects(place.put(source, what), failing("DIGEST", /took it for sha256:0000/)),
  );
  const image = await sampleImage();
  await served(
    ({ method, kind }, response, request) => {
      if (method !== "PUT" || kind !== "manifest") return false;
      request.resume().on("end", () => response.writeHead(201, { "docker-content-digest": lie }).end());
      return true;
    },
    async (_, place) => assert.rejects(copyImage(memoryReader(image.blobs), place, image.root, task), failing("DIGEST")),
  );
});

test("bytes that are not what was announced never become a blob", () =>
  served(
    () => false,
    async (registry, place) => {
      for (const wrong of [
        { ...what, size: what.size - 1 },
        { ...what, size: what.size + 1 },
        { ...what, digest: digestOf("other") },
      ]) {
        await assert.rejects(place.put(source, wrong), failing("DIGEST"));
        assert.equal(registry.blobs.size, 0);
      }
    },
  ));

test("OCI-Chunk-Min-Length is kept to; a chunk that was lost is sent again", async () => {
  const bytes = randomFillSync(Buffer.alloc(30 << 20));
  const stream = async function* () {
    for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20));
  };
  const lengths: number[] = [];
  await served(
    ({ method, kind, headers, nth }, response) => {
      if (kind !== "upload") return false;
      if (method === "POST") {
        response.setHeader("OCI-Chunk-Min-Length", String(12 << 20));
        return false;
      }
      if (method === "PATCH") lengths.push(Number(headers["content-length"]));
      return method === "PATCH" && nth === 2 && Boolean(response.socket?.resetAndDestroy() ?? true);
    },
    async (registry, place) => {
      const put = await place.put(stream());
      assert.deepEqual(put, { digest: digestOf(bytes), size: bytes.length });
      assert.ok(registry.blobs.get(put.digest)?.equals(bytes));
      assert.ok(
        lengths.slice(0, -1).every((one) => one >= 12 << 20),
        lengths.join(" "),
      );
    },
  );
});

test("where bodies of this size are not taken, a blob goes in chunks; a chunk that is not taken either says so", async () => {
  const bytes = randomFillSync(Buffer.alloc(20 << 20));
  const known = { digest: digestOf(bytes), size: bytes.length };
  const parts = async function* (from: number) {
    for (let at = from; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20));
  };
  const again: Rereadable = { verified: true, [Symbol.asyncIterator]: () => parts(0), from: parts };
  for (const most of [10 << 20, 1 << 20]) {
    await served(
      ({ kind, headers }, response, request) => {
        if (kind !== "upload" || Number(headers["content-length"] ?? 0) <= most) return false;
        response.writeHead(413).end("too large");
        request.resume();
        return true;
      },
      async (registry, place) => {
        if (most < 8 << 20) return assert.rejects(place.put(again, known), failing("LIMIT", /413/));
        await place.put(again, known);
        assert.ok(registry.blobs.get(known.digest)?.equals(bytes));
        assert.deepEqual(methods(registry), ["POST", "PUT", "POST", "PATCH", "PATCH", "PATCH", "PUT"]);
      },
    );
  }
});
