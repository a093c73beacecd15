/** What no program of a sandbox may do, and what it may: over every engine, on every level. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { createTask } from "../../task/task.ts";
import { hostDevices } from "../devices.ts";
import { setEngine } from "../engine.ts";
import { installHelper } from "../helper.ts";
import { newTable } from "../perform.ts";
import { ownPrivileges } from "../privileges.ts";
import { type Machine, runSandbox } from "../run.ts";
import { Box } from "./box.ts";

/** Registers the tests under the engine's name. */
export function confinementSuite(engine: string, machine: Machine, skip: string | false): void {
  const box = skip ? undefined : new Box(machine);
  after(() => {
    setEngine(undefined);
    box?.[Symbol.dispose]();
  });
  const here = () => box as Box;
  const check = (name: string, run: () => Promise<void>, without: string | false = false) =>
    test(`${engine}: ${name}`, { skip: skip || without, timeout: 60_000 }, async () => {
      setEngine(engine === "perl" ? "perl" : undefined);
      await run();
    });
  /** For what needs more than one user id. */
  const checkUsers = (name: string, run: () => Promise<void>) => check(name, run, ownPrivileges().single && "only one user id exists here");

  check("capabilities are docker's, and none can be inherited", async () => {
    const { out } = await here().sh("grep Cap /proc/self/status");
    const caps = Object.fromEntries(
      out
        .trim()
        .split("\n")
        .map((line) => line.split(/:\s*/) as [string, string]),
    );
    assert.deepEqual(caps, {
      CapInh: "0000000000000000",
      CapPrm: "00000000a80425fb",
      CapEff: "00000000a80425fb",
      CapBnd: "00000000a80425fb",
      CapAmb: "0000000000000000",
    });
    const none = await here().sh("grep CapEff /proc/self/status", { capabilities: [] });
    assert.equal(none.out, "CapEff:\t0000000000000000\n");
  });

  checkUsers("another user has its groups, no capabilities, and may open its own output again", async () => {
    const { out, err } = await here().sh(
      "id -u; id -g; cat /proc/self/status | grep -E 'Groups|CapEff'; echo again > /dev/stderr; echo more > /proc/1/fd/1",
      {
        user: { uid: 1000, gid: 1001, groups: [2000] },
      },
    );
    assert.equal(out, "1000\n1001\nGroups:\t1001 2000 \nCapEff:\t0000000000000000\nmore\n");
    assert.equal(err, "again\n");
  });

  check("X02: what leads out of a sandbox is refused by the kernel", async () => {
    const calls: readonly (readonly [string, readonly number[], number])[] = [
      ["mount", [], -1],
      ["umount2", [], -1],
      ["pivot_root", [], -1],
      ["unshare", [0x10000000], -1],
      ["setns", [], -1],
      ["clone3", [], -38],
      ["fsopen", [], -1],
      ["open_tree", [], -1],
      ["keyctl", [], -1],
      ["add_key", [], -1],
      ["request_key", [], -1],
      ["bpf", [], -1],
      ["perf_event_open", [], -1],
      ["userfaultfd", [], -1],
      ["io_uring_setup", [8], -1],
      ["kexec_load", [], -1],
      ["init_module", [], -1],
      ["finit_module", [], -1],
      ["reboot", [], -1],
      ["swapon", [], -1],
      ["acct", [], -1],
      ["syslog", [], -1],
      ["quotactl", [], -1],
      ["open_by_handle_at", [], -1],
      ["personality", [0x40000], -1],
      ["socket", [38, 5, 0], -1],
      ["socket", [40, 1, 0], -1],
      ["getpid", [], 1],
    ];
    const table = newTable();
    const results = table.space(8 * calls.length);
    for (const [at, [name, args]] of calls.entries()) table.call(name, args, { ignore: true, into: { at: results.at + 8 * at } });
    table.call("write", [1, results, 8 * calls.length]);
    // The helper performs any call: inside, it is the probe.
    copyFileSync(installHelper().path, join(here().base, "bin/nbox"));
    writeFileSync(join(here().base, "probe.table"), table.finish().bytes);
    let bytes = Buffer.alloc(0);
    const exit = await runSandbox(
      here().spec({ args: ["nbox", "/probe.table"] }),
      { out: (_, chunk) => void (bytes = Buffer.concat([bytes, chunk])) },
      createTask(),
      machine,
    );
    assert.equal(exit.code, 0);
    const answers = calls.map(([name, args], at) => [name, args, Number(bytes.readBigInt64LE(8 * at))]);
    assert.deepEqual(answers, calls);
  });

  checkUsers("X25: a set-uid root program is root of the sandbox alone, and no more with no-new-privileges", async () => {
    const table = newTable();
    const euid = table.space(8);
    table.call("geteuid", [], { into: euid });
    table.call("write", [1, euid, 8]);
    writeFileSync(join(here().base, "euid.table"), table.finish().bytes);
    const path = join(here().base, "bin/su-nbox");
    copyFileSync(installHelper().path, path);
    chmodSync(path, 0o4755);
    const user = { uid: 1000, gid: 1000, groups: [] };
    const line = "su-nbox /euid.table | od -An -t d4 | head -1; grep NoNewPrivs /proc/self/status";
    assert.match((await here().sh(line, { user })).out, /^ +0 +0\nNoNewPrivs:\t0\n$/);
    assert.match((await here().sh(line, { user, noNewPrivileges: true })).out, /^ +1000 +0\nNoNewPrivs:\t1\n$/);
    const { out } = await here().sh("cat /proc/self/uid_map");
    // Root inside is what this process is: root of the machine only if that started nought.
    assert.match(out, ownPrivileges().initial ? /^ +0 +0 +4294967295\n$/ : /^(?! +0 +0 )/);
  });

  check("without masks, with the devices of the host", async () => {
    const { out } = await here().sh("cat /proc/interrupts | wc -l; ls -l /dev | grep -c '^[bc]'; ls -d /dev/net/tun 2>&1", {
      unmasked: true,
      hostDevices: true,
      shm: 1 << 20,
    });
    const [interrupts, count, tun] = out.trim().split("\n");
    if (process.env["NOUGHT_TEST_PROC"] !== "shared") assert.ok(Number(interrupts) > 1, "nothing is hidden");
    if (!ownPrivileges().initial) return;
    assert.ok(Number(count) >= Math.min(hostDevices().filter(({ path }) => path.split("/").length === 3).length, 20));
    if (existsSync("/dev/net/tun")) assert.equal(tun, "/dev/net/tun");
  });

  checkUsers("X27: a secret is a file in memory with its mode and owner", async () => {
    const secret = {
      type: "bytes",
      target: "/run/secrets/key",
      bytes: Buffer.from("marker-7f3a"),
      mode: 0o400,
      uid: 1000,
      gid: 1000,
      readonly: true,
    } as const;
    const { out } = await here().sh(
      "stat -c '%a %u:%g' /run/secrets/key; cat /run/secrets/key; grep secrets /proc/self/mountinfo | grep -c tmpfs",
      {
        mounts: [secret],
        user: { uid: 1000, gid: 1000, groups: [] },
      },
    );
    assert.equal(out, "400 1000:1000\nmarker-7f3a1\n");
    assert.deepEqual(readdirSync(here().upper), []);
  });

  check("X06: a program that is stopped is killed with the task", async () => {
    const abort = new AbortController();
    const running = here().run(
      here().spec({ args: ["sh", "-c", "trap '' TERM INT HUP; while :; do :; done"] }),
      {
        started: ({ pid }) => {
          process.kill(pid, "SIGSTOP");
          setTimeout(() => abort.abort(new Failure("INTERRUPTED", "interrupted")), 50);
        },
      },
      createTask(undefined, abort.signal),
    );
    const started = performance.now();
    await assert.rejects(running, { code: "INTERRUPTED" });
    assert.ok(performance.now() - started < 10_000);
  });

  check("X05: what a step leaves running is dead after it", async () => {
    const word = `1234${Math.floor(Math.random() * 1e6)}`;
    const { out } = await here().sh(`setsid sleep ${word} & (setsid sh -c 'sleep ${word} &' &) ; sleep 0.1; echo ok`);
    assert.equal(out, "ok\n");
    for (const pid of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
      let line = "";
      try {
        line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      } catch {
        continue;
      }
      assert.ok(!line.includes(`sleep\u0000${word}`), `process ${pid} is left`);
    }
  });
}
