import assert from "node:assert/strict";
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../../test/ports.ts";
import { createTask } from "../task/task.ts";
import { startDetached } from "./detached.ts";
import { findProgram } from "./engine.ts";
import { openNetwork } from "./network.ts";
import { hostsFile, resolvConf } from "./resolv.ts";
import { Box, runCollecting, whyNot } from "./testing/box.ts";

const skip = whyNot();
const box = skip ? undefined : new Box();
after(() => box?.[Symbol.dispose]());

function whyNoNetwork(name: string): string | false {
  if (skip) return skip;
  if (!findProgram(name)) return `no ${name}`;
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    return false;
  } catch {
    return "/dev/net/tun may not be opened";
  }
}

for (const name of ["pasta", "slirp4netns"] as const) {
  test(`X03: a network by ${name} is one's own and does not reach the host's services`, { skip: whyNoNetwork(name) }, async () => {
    const server = createServer((socket) => socket.end("host")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    let holder = "";
    {
      await using network = await openNetwork({ name, path: findProgram(name) as string }, createTask());
      holder = network.join;
      const spec = (line: string) => (box as Box).spec({ args: ["sh", "-c", line], network: { join: network.join } });
      const one = await runCollecting(spec(`ls /sys/class/net; nc -w 1 127.0.0.1 ${port} </dev/null; echo $?; ip route | grep -c default`));
      assert.match(one.out, /^(?:\S+\n){2}1\n1\n$/);
      assert.ok(existsSync(holder));
    }
    server.close();
    for (let tries = 0; existsSync(holder) && tries < 100; tries++) await wait(10);
    assert.ok(!existsSync(holder), "the holder of the network is left");
  });
}

/** Numbers of the processes with these words in their command line. */
function running(...words: readonly string[]): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return words.every((word) => line.includes(word));
    } catch {
      return false;
    }
  });
}

/** What a server on that port says; empty where there is none after a while. */
async function say(port: number): Promise<string> {
  let text = "";
  for (let tries = 0; text === "" && tries < 50; tries++) {
    await wait(50);
    text = await new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("data", (piece) => resolve(piece.toString()));
      for (const event of ["error", "end"]) socket.once(event, () => resolve(""));
    });
  }
  return text;
}

test("a detached sandbox with a network of its own: a published port, and the network ends with it", {
  skip: whyNoNetwork("pasta"),
  timeout: 30_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "nought-state-"));
  const hostPort = await freePort();
  const program = { name: "pasta", path: findProgram("pasta") as string } as const;
  const network = { program, ports: [{ host: "127.0.0.1", hostPort, port: 8080, protocol: "tcp" }] } as const;
  try {
    const args = ["sh", "-c", "while :; do echo inside | nc -l -p 8080; done"];
    const { init } = await startDetached((box as Box).spec({ args, network }), { folder }, createTask());
    assert.equal(await say(hostPort), "inside\n");
    assert.equal(running("pasta", `127.0.0.1/${hostPort}:8080`).length, 1);
    mkdirSync(join(folder, "again"));
    const again = startDetached((box as Box).spec({ args, network }), { folder: join(folder, "again") }, createTask());
    await assert.rejects(again, /network did not come up: .*(?:Address already in use|Failed to bind)/);
    process.kill(init.pid, "SIGKILL");
    for (let tries = 0; running(`127.0.0.1/${hostPort}:8080`).length > 0 && tries < 100; tries++) await wait(20);
    assert.deepEqual(running(`127.0.0.1/${hostPort}:8080`), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("pasta publishes a port", { skip: whyNoNetwork("pasta") }, async () => {
  const free = await freePort();
  const ports = [{ host: "127.0.0.1", hostPort: free, port: 8080, protocol: "tcp" }] as const;
  await using network = await openNetwork({ name: "pasta", path: findProgram("pasta") as string }, createTask(), ports);
  const running = runCollecting((box as Box).spec({ args: ["sh", "-c", "echo inside | nc -l -p 8080"], network: { join: network.join } }));
  let text = "";
  for (let tries = 0; text === "" && tries < 50; tries++) {
    await wait(50);
    text = await new Promise<string>((resolve) => {
      let got = "";
      const socket = connect(free, "127.0.0.1", () => socket.end());
      socket.on("data", (piece) => (got += piece.toString()));
      socket.on("close", () => resolve(got)).on("error", () => resolve(""));
    });
  }
  assert.equal(text, "inside\n");
  assert.equal((await running).code, 0);
});

test("a program for networks that does not come up is told with its own words", { skip }, async () => {
  await assert.rejects(openNetwork({ name: "pasta", path: "/bin/false" }, createTask()), {
    code: "SANDBOX",
    message: /pasta did not come up/,
  });
  await assert.rejects(openNetwork({ name: "pasta", path: "/no/such/pasta" }, createTask()), { code: "SANDBOX" });
});

test("X03: without a network there is only the loopback device, and no abstract socket of the host", { skip }, async () => {
  const server = createServer((socket) => socket.end("host")).listen("\0nought-test-abstract");
  await new Promise((resolve) => server.once("listening", resolve));
  const { out } = await (box as Box).sh("cat /proc/net/unix | grep -c nought-test-abstract; ls /sys/class/net");
  server.close();
  assert.equal(out, "0\nlo\n");
});

test("resolv.conf: loopback servers are of no use to an isolated network", () => {
  const host =
    "# made by hand\nnameserver 127.0.0.1\nnameserver 192.0.2.1 ; first\nsearch example.com lan\noptions ndots:2\noptions edns0\n";
  assert.equal(resolvConf({ host, isolated: true }), "nameserver 192.0.2.1\nsearch example.com lan\noptions ndots:2 edns0\n");
  assert.equal(
    resolvConf({ host, isolated: false }),
    "nameserver 127.0.0.1\nnameserver 192.0.2.1\nsearch example.com lan\noptions ndots:2 edns0\n",
  );
  const stub = "nameserver 127.0.0.53\noptions trust-ad\n";
  assert.equal(resolvConf({ host: stub, resolved: "nameserver 192.0.2.9\n", isolated: true }), "nameserver 192.0.2.9\n");
  assert.equal(resolvConf({ host: stub, resolved: "nameserver 192.0.2.9\n", isolated: false }), stub);
  assert.equal(resolvConf({ host: "", isolated: true }), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  assert.equal(resolvConf({ host: "", isolated: true, servers: ["192.0.2.7"], search: ["x"] }), "nameserver 192.0.2.7\nsearch x\n");
});

test("hosts names the machine itself and what was added", () => {
  assert.equal(
    hostsFile("buildkitsandbox", [{ name: "db", address: "192.0.2.5" }]),
    "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n192.0.2.5\tdb\n",
  );
});
