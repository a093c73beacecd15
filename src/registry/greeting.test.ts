/** How a registry on this machine is greeted: plainly first, with TLS where it speaks that, and nothing secret before it is known. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createPlain } from "node:http";
import { createServer as createSecure } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { locationAt } from "../../test/registry.ts";
import { Failure } from "../kit/error.ts";
import { createWire } from "../net/wire.ts";
import { createTask } from "../task/task.ts";
import { createClient } from "./client.ts";
import type { RegistryOptions } from "./face.ts";

const dir = mkdtempSync(join(tmpdir(), "nought-greeting-"));
const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 3".split(" ");
const made = spawnSync("openssl", [...words, "-keyout", join(dir, "key"), "-out", join(dir, "crt")]).status === 0;
const tls = made ? { key: readFileSync(join(dir, "key")), cert: readFileSync(join(dir, "crt")) } : {};
rmSync(dir, { recursive: true, force: true });
const skip = made ? {} : { skip: "openssl is not installed" };

/** A port that speaks TLS; what comes plainly is noted, and answered as Go's servers do, or not at all. */
async function locked(plainly: "400" | "hang up", use: (host: string, heard: string[], asked: (string | undefined)[]) => Promise<void>) {
  const heard: string[] = [];
  const asked: (string | undefined)[] = [];
  const secure = createSecure(tls, (request, response) => {
    asked.push(request.headers.authorization);
    if (request.headers.authorization) response.writeHead(200).end("{}");
    else response.writeHead(401, { "www-authenticate": 'Basic realm="here"' }).end();
  });
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (first: Buffer) => {
      socket.pause();
      if (first[0] === 0x16) {
        socket.unshift(first);
        secure.emit("connection", socket);
        return;
      }
      heard.push(first.toString("latin1"));
      if (plainly === "400") socket.end("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
      else socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`127.0.0.1:${(server.address() as AddressInfo).port}`, heard, asked);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

async function askAt(host: string, insecure: boolean): Promise<number | undefined> {
  const wire = createWire({ env: {} });
  const options: RegistryOptions = {
    locate: async () => [],
    credentials: { find: async () => ({ kind: "password", username: "me", password: "marker-p4ss" }) },
    env: {},
    retryMs: 1,
  };
  try {
    const client = createClient(locationAt(host, "app", { insecure }), wire, options);
    const answer = await client.ask({ method: "GET", to: "/v2/", rights: [], accept: [200], what: "hello" }, createTask());
    answer.resume();
    return answer.statusCode;
  } finally {
    wire.close();
  }
}

for (const plainly of ["400", "hang up"] as const)
  test(`R01: a registry on this machine that speaks TLS is found so (${plainly}), and hears no password before`, skip, async () => {
    await locked(plainly, async (host, heard, asked) => {
      assert.equal(await askAt(host, true), 200);
      assert.ok(asked.some((one) => one?.startsWith("Basic ")));
      assert.equal(heard.length, 1);
      assert.ok(!heard.join().toLowerCase().includes("authorization"), "the plain greeting tells nothing");
    });
    await locked(plainly, async (host, heard) => {
      await assert.rejects(askAt(host, false), (error: unknown) => error instanceof Failure && error.code === "AUTH");
      assert.ok(!heard.join().toLowerCase().includes("authorization"));
    });
  });

test("a registry on this machine that speaks http is not greeted with TLS", async () => {
  let connections = 0;
  const server = createPlain((request, response) => {
    if (request.headers.authorization) response.writeHead(200).end("{}");
    else response.writeHead(401, { "www-authenticate": 'Basic realm="here"' }).end();
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    assert.equal(await askAt(`127.0.0.1:${(server.address() as AddressInfo).port}`, false), 200);
    assert.equal(connections, 1);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
