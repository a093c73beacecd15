import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createTask, type Task } from "../task/task.ts";
import { nextHop } from "./hop.ts";
import { bodyOf } from "./intake.ts";
import { createWire } from "./wire.ts";

async function getting<T>(
  listener: RequestListener,
  use: (get: () => ReturnType<ReturnType<typeof createWire>["send"]>, server: Server) => Promise<T>,
  how: { readonly stallMs?: number; readonly task?: Task } = {},
): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hop = nextHop(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const wire = createWire({ env: {}, ...how });
  const task = how.task ?? createTask();
  try {
    return await use(() => wire.send({ method: "GET", hop, headers: {} }, task), server);
  } finally {
    wire.close();
    server.closeAllConnections();
    server.close();
  }
}

/** Bytes of which no two pieces are alike. */
const BYTES = Buffer.concat(Array.from({ length: 90_000 }, (_, k) => createHash("sha256").update(String(k)).digest()));
const sumOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Reads a body as those do who use memory again: nothing of a block is kept beyond the next. */
async function digested(body: AsyncIterable<Uint8Array>, each: (size: number) => unknown = () => {}): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of body) {
    // Whoever takes his time finds the block as it was.
    const before = block[0];
    await each(block.length);
    assert.equal(block[0], before);
    hash.update(block);
  }
  return hash.digest("hex");
}

test("a large body comes in blocks, whole, however it is sent and taken", async () => {
  const ways: readonly [string, RequestListener, ((size: number) => unknown)?][] = [
    ["at once", (_, to) => to.writeHead(200, { "content-length": BYTES.length }).end(BYTES)],
    ["to one who is slow", (_, to) => to.writeHead(200, { "content-length": BYTES.length }).end(BYTES), () => sleep(20)],
    [
      "in odd pieces",
      async (_, to) => {
        to.writeHead(200, { "content-length": BYTES.length });
        for (let at = 0, k = 1; at < BYTES.length; at += k, k = (k * 7 + 13) % 200_000) {
          if (!to.write(BYTES.subarray(at, at + k))) await new Promise((resolve) => to.once("drain", resolve));
        }
        to.end();
      },
    ],
    ["without a length", (_, to) => to.writeHead(200).end(BYTES)],
  ];
  for (const [name, listener, each] of ways)
    await getting(listener, async (get) => {
      const sizes: number[] = [];
      const took = async (size: number) => {
        sizes.push(size);
        await each?.(size);
      };
      assert.equal(await digested(bodyOf(await get()), took), sumOf(BYTES), name);
      assert.equal(await digested(bodyOf(await get()), took), sumOf(BYTES), name);
      assert.ok(Math.max(...sizes) <= 512 << 10, name);
    });
});

test("R06: what came before a cut is handed on, then the cut is told", async () => {
  const half = BYTES.length >> 1;
  await getting(
    (_, to) => {
      to.writeHead(200, { "content-length": BYTES.length });
      to.write(BYTES.subarray(0, half), () => setTimeout(() => to.destroy(), 50));
    },
    async (get) => {
      let size = 0;
      const reading = digested(bodyOf(await get()), (more) => {
        size += more;
      });
      await assert.rejects(reading, { code: "ECONNRESET" });
      assert.equal(size, half);
    },
  );
});

test("R08: silence ends a body, a reader who takes his time does not", async () => {
  const stopping: RequestListener = (_, to) =>
    void to.writeHead(200, { "content-length": BYTES.length }).write(BYTES.subarray(0, 1_500_000));
  await getting(stopping, async (get) => assert.rejects(digested(bodyOf(await get())), { code: "STALLED" }), { stallMs: 300 });
  await getting(
    (_, to) => to.writeHead(200, { "content-length": BYTES.length }).end(BYTES),
    async (get) => {
      let first = true;
      const sum = await digested(bodyOf(await get()), async () => {
        if (first) await sleep(900);
        first = false;
      });
      assert.equal(sum, sumOf(BYTES));
    },
    { stallMs: 300 },
  );
});

test("a body that nobody reads to its end closes its connection", async () => {
  await getting(
    (_, to) => to.writeHead(200, { "content-length": BYTES.length }).end(BYTES),
    async (get, server) => {
      for await (const block of bodyOf(await get())) {
        assert.ok(block.length > 0);
        break;
      }
      await sleep(50);
      const open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
      assert.equal(open, 0);
    },
  );
});

test("an interrupt ends a body", async () => {
  const stop = new AbortController();
  await getting(
    (_, to) => void to.writeHead(200, { "content-length": BYTES.length }).write(BYTES.subarray(0, 1_500_000)),
    async (get) => {
      setTimeout(() => stop.abort(), 100);
      await assert.rejects(digested(bodyOf(await get())));
    },
    { task: createTask(undefined, stop.signal) },
  );
});

test("small bodies leave their connection to the next request", async () => {
  const sockets = new Set<unknown>();
  await getting(
    (request, to) => {
      sockets.add(request.socket);
      to.writeHead(200, { "content-length": 5 }).end("hello");
    },
    async (get) => {
      for (let n = 0; n < 5; n++) assert.equal(await digested(bodyOf(await get())), sumOf(Buffer.from("hello")));
      assert.equal(sockets.size, 1);
    },
  );
});
