/** Containers in the background: as root and as an ordinary user. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findRuntime } from "../../src/sandbox/runtime/version.ts";
import { Containers, people } from "../containers.ts";

const LOOP = "trap 'echo bye; exit 3' TERM; echo up; echo err >&2; while :; do sleep 0.05; done";

for (const { who, user, skip } of people()) {
  describe(`containers as ${who}`, { skip }, () => {
    let box: Containers;
    before(async () => void (box = await Containers.make(user)));
    after(() => box?.[Symbol.dispose]());
    const detached = (name: string, line: string, ...flags: string[]) =>
      box.out("run", "-d", "--name", name, "--network", "none", ...flags, "bb", "sh", "-c", line).trim();
    const status = (name: string) => box.out("ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.Status}}").trim();
    const pidOf = (name: string) => Number(box.out("inspect", "-f", "{{.State.Pid}}", name));

    test("the life of a container: run, ps, logs, stop, start, restart, wait, rm", () => {
      const id = detached("life", LOOP);
      assert.match(id, /^[0-9a-f]{64}$/);
      assert.equal(box.out("ps", "-q"), `${id.slice(0, 12)}\n`);
      assert.equal(box.out("ps", "-q", "--no-trunc"), `${id}\n`);
      assert.match(box.out("ps"), /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n/);
      assert.match(status("life"), /^Up /);
      const logs = box.run(["logs", "life"]);
      assert.deepEqual([logs.stdout, logs.stderr], ["up\n", "err\n"]);
      assert.match(box.out("logs", "-t", "--tail", "1", id.slice(0, 8)), /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{9}Z up\n$|^$/);
      assert.equal(box.out("stop", "life"), "life\n");
      assert.match(status("life"), /^Exited \(3\) /);
      assert.equal(box.out("wait", "life"), "3\n");
      assert.equal(box.out("logs", "life"), "up\nbye\n");
      assert.equal(box.out("start", "life"), "life\n");
      assert.match(status("life"), /^Up /);
      const first = pidOf("life");
      box.out("restart", "-t", "5", "life");
      assert.notEqual(pidOf("life"), first);
      assert.equal(box.out("logs", "life"), "up\nbye\nup\nbye\nup\n");
      const refused = box.run(["rm", "life"]);
      assert.deepEqual(
        [refused.status, /container is running: stop the container before removing or force remove/.test(refused.stderr)],
        [1, true],
      );
      assert.equal(box.out("rm", "-f", "life"), "life\n");
      assert.equal(box.out("ps", "-aq"), "");
      assert.equal(box.run(["stop", "life"]).status, 1);
    });

    test("what a container wrote stays over a restart, and create starts nothing", () => {
      box.out("create", "--name", "made", "--network", "none", "bb", "sh", "-c", "cat /kept; echo again > /kept");
      assert.equal(status("made"), "Created");
      const first = box.run(["start", "-a", "made"]);
      assert.match(first.stderr, /No such file/);
      assert.equal(box.run(["start", "-a", "made"]).stdout, "again\n");
      box.out("start", "made");
      box.out("wait", "made");
      assert.equal(box.out("logs", "made"), "again\nagain\n");
      box.out("rm", "made");
    });

    test("kill, signals and stop signals", () => {
      detached("sig", "trap 'echo one' USR1; trap 'exit 9' INT; echo up; while :; do sleep 0.05; done", "--stop-signal", "INT");
      box.out("kill", "-s", "USR1", "sig");
      box.out("kill", "-s", "10", "sig");
      for (let tries = 0; tries < 100 && !/one/.test(box.out("logs", "sig")); tries++);
      assert.match(box.out("logs", "sig"), /^up\none\n/);
      box.out("stop", "sig");
      assert.match(status("sig"), /^Exited \(9\)/);
      const gone = box.run(["kill", "sig"]);
      assert.deepEqual([gone.status, /is not running/.test(gone.stderr)], [1, true]);
      assert.equal(box.run(["kill", "-s", "NOSUCH", "sig"]).status, 1);
      box.out("start", "sig");
      box.out("kill", "sig");
      assert.equal(box.out("wait", "sig"), "137\n");
      // Process 1 takes no signal that it has no handler for: patience, then the end.
      detached("deaf", "sleep 1000");
      const start = performance.now();
      box.out("stop", "-t", "1", "deaf");
      assert.ok(performance.now() - start < 15_000);
      assert.match(status("deaf"), /^Exited \(137\)/);
      box.out("rm", "sig", "deaf");
    });

    test("logs: --follow until the end, --tail, --since, --until, lines without an end", async () => {
      detached("talk", "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; printf last");
      const follow = box.start(["logs", "-f", "talk"]);
      let text = "";
      follow.stdout?.on("data", (piece) => (text += piece));
      await once(follow, "close");
      assert.equal(text, "line 1\nline 2\nline 3\nline 4\nline 5\nlast");
      assert.equal(box.out("logs", "--tail", "2", "talk"), "line 5\nlast");
      assert.equal(box.out("logs", "-n", "0", "talk"), "");
      assert.equal(box.out("logs", "--since", "1h", "talk"), text);
      assert.equal(box.out("logs", "--until", "1h", "talk"), "");
      const third = box.out("logs", "-t", "talk").split("\n")[2]?.split(" ")[0] as string;
      assert.match(box.out("logs", "--since", third, "talk"), /^line 3\n/);
      assert.match(box.out("logs", "--until", third, "talk"), /line 3\n$/);
      assert.equal(box.run(["logs", "--tail", "x", "talk"]).status, 1);
      box.out("rm", "talk");
    });

    test("X17: a log does not grow for ever, and nobody waits for it", () => {
      detached("loud", "dd if=/dev/zero bs=64k count=800 2>/dev/null; echo done >&2");
      box.out("wait", "loud");
      const folder = join(box.store, "containers", readdirSync(join(box.store, "containers")).find((one) => one !== "names") as string);
      const size = readdirSync(folder).reduce((sum, one) => sum + (one.startsWith("log") ? statSync(join(folder, one)).size : 0), 0);
      assert.ok(size < 36 << 20, `${size}`);
      assert.match(box.run(["logs", "--tail", "1", "loud"]).stderr, /done\n$/);
      box.out("rm", "loud");
    });

    test("--rm in the background: gone with its end", () => {
      detached("brief", "exit 4", "--rm");
      for (let tries = 0; tries < 50 && box.out("ps", "-aq") !== ""; tries++);
      assert.equal(box.out("ps", "-aq"), "");
      // The name is free again, and the next one that starts something tidies up.
      detached("brief", "sleep 100", "--rm");
      assert.equal(readdirSync(join(box.store, "containers")).length, 2);
      box.out("rm", "-f", "brief");
      assert.deepEqual(readdirSync(join(box.store, "containers")), ["names"]);
    });

    test("exec: output, input, users, exit codes, and a program that is not there", () => {
      detached("inside", "sleep 1000", "-e", "A=1", "-w", "/tmp");
      assert.equal(box.out("exec", "inside", "sh", "-c", "echo $A; pwd; hostname").split("\n").slice(0, 2).join(), "1,/tmp");
      assert.equal(box.run(["exec", "inside", "sh", "-c", "exit 42"]).status, 42);
      assert.equal(box.run(["exec", "-i", "inside", "cat"], { input: "through\n" }).stdout, "through\n");
      assert.equal(box.out("exec", "-e", "B=2", "-w", "/", "inside", "sh", "-c", "echo $B; pwd"), "2\n/\n");
      const missing = box.run(["exec", "inside", "bash"]);
      assert.equal(missing.status, 127);
      assert.match(missing.stderr, /exec: "bash": executable file not found in \$PATH[^]*nought debug inside/);
      assert.equal(box.run(["exec", "inside", "/etc/passwd"]).status, 126);
      assert.equal(box.run(["exec", "-u", "nobody", "inside", "true"]).status, 1);
      assert.equal(box.run(["exec", "nosuch", "true"]).status, 1);
      box.out("exec", "-d", "inside", "sh", "-c", "touch /tmp/made");
      for (let tries = 0; tries < 50 && box.run(["exec", "inside", "test", "-e", "/tmp/made"]).status !== 0; tries++);
      assert.match(box.out("exec", "inside", "ps"), / 1 .*sleep 1000/);
      box.out("stop", "-t", "0", "inside");
      const stopped = box.run(["exec", "inside", "true"]);
      assert.deepEqual([stopped.status, /is not running/.test(stopped.stderr)], [1, true]);
      box.out("rm", "inside");
    });

    test("namespaces of another container: the seeds' way to debug an image that has nothing", () => {
      const id = detached("app", "sleep 1000");
      const ps = box.run(["run", "--rm", "--network", "none", "--pid", `container:${id}`, "bb", "ps"]);
      assert.match(ps.stdout, /^ +1 .*sleep 1000$/m);
      const net = (...flags: string[]) =>
        box.run(["run", "--rm", ...flags, "bb", "sh", "-c", "readlink /proc/self/ns/net || ls -l /proc/self/ns/net"]);
      const inode = (text: string) => /net:\[(\d+)\]/.exec(text)?.[1];
      const own = inode(box.run(["exec", "app", "sh", "-c", "ls -l /proc/self/ns/net"]).stdout);
      assert.ok(own !== undefined);
      assert.equal(inode(net("--network", "container:app").stdout), own);
      assert.notEqual(inode(net("--network", "none").stdout), own);
      box.out("rm", "-f", "app");
      assert.equal(box.run(["run", "--rm", "--pid", "container:app", "bb", "ps"]).status, 125);
    });

    test("X19: names that are refused, duplicates, and one winner of many", async () => {
      for (const name of ["../x", "-x", "a", "", "a/b", "ü", "x".repeat(300)]) {
        const ran = box.run(["create", `--name=${name}`, "bb", "true"]);
        if (name === "") assert.equal(ran.status, 0);
        else assert.equal(ran.status, 2, `${name}: ${ran.stderr}`);
      }
      box.out("create", "--name", "taken", "bb", "true");
      const again = box.run(["create", "--name", "taken", "bb", "true"]);
      assert.deepEqual([again.status, /The container name "\/taken" is already in use by container/.test(again.stderr)], [1, true]);
      const ends = await Promise.all(
        Array.from({ length: 4 }, async () => {
          const child = box.start(["create", "--name", "race", "bb", "true"]);
          const [code] = (await once(child, "close")) as [number];
          return code;
        }),
      );
      assert.deepEqual(ends.sort(), [0, 1, 1, 1]);
      box.out("rename", "race", "won");
      assert.equal(box.run(["rename", "won", "taken"]).status, 1);
      box.out("create", "--name", "race", "bb", "true");
      box.out("container", "prune", "-f");
      assert.equal(box.out("ps", "-aq"), "");
      assert.deepEqual(
        readdirSync(join(box.store, "containers/names")).filter((one) => !one.startsWith(".")),
        [],
      );
    });

    test("a container is started once, however many want to", async () => {
      box.out("create", "--name", "once", "--network", "none", "bb", "sleep", "1000");
      const children = Array.from({ length: 3 }, () => box.start(["start", "-a", "once"]));
      const ended = () => children.filter((one) => one.exitCode !== null);
      for (let tries = 0; tries < 800 && ended().length < 2; tries++) await pause(20);
      for (let tries = 0; tries < 400 && !status("once").startsWith("Up"); tries++) await pause(20);
      assert.deepEqual(
        ended().map((one) => one.exitCode),
        [1, 1],
      );
      assert.equal(box.run(["rm", "once"]).status, 1);
      box.out("rm", "-f", "once");
    });

    for (const runtime of ["crun", "runc"] as const) {
      test(`--runtime ${runtime}: exec is in the container, not in the runtime`, {
        skip: findRuntime(runtime) ? false : `no ${runtime}`,
      }, () => {
        detached("real", "exec sleep 1000", "--runtime", runtime);
        assert.match(box.out("exec", "real", "ps"), / 1 .*sleep 1000/);
        const pid = pidOf("real");
        assert.equal(readFileSync(`/proc/${pid}/comm`, "utf8"), "sleep\n");
        assert.equal(box.out("exec", "real", "cat", "/etc/group"), "root:x:0:\napp:x:1000:\nextra:x:2000:app\n");
        box.out("stop", "-t", "0", "real");
        assert.match(status("real"), /^Exited \(137\)/);
        assert.ok(!existsSync(`/proc/${pid}`));
        box.out("rm", "real");
      });
    }

    test("X22: a process that only has the number is left alone", () => {
      const id = detached("reused", "true");
      box.out("wait", "reused");
      const file = join(box.store, "containers", id, "started.json");
      const started = JSON.parse(readFileSync(file, "utf8")) as { process?: object; watcher: { pid: number } };
      const stranger = box.start(["wait", "reused"]);
      stranger.kill();
      const other = { ...started.watcher, pid: process.pid, start: 1 };
      writeFileSync(file, JSON.stringify({ ...started, process: other }));
      assert.match(status("reused"), /^Exited \(0\)/);
      assert.equal(box.run(["kill", "reused"]).status, 1);
      box.out("stop", "-t", "0", "reused");
      box.out("rm", "reused");
      process.kill(process.pid, 0);
    });

    test("X15: nought killed: in the foreground the container ends with it, in the background it goes on", async () => {
      const child = box.start(["run", "--rm", "--name", "fore", "--network", "none", "bb", "sh", "-c", "echo up; sleep 1000"]);
      await once(child.stdout as NodeJS.ReadableStream, "data");
      const pid = pidOf("fore");
      child.kill("SIGKILL");
      await once(child, "close");
      for (let tries = 0; tries < 100 && existsSync(`/proc/${pid}`); tries++) await pause(20);
      assert.ok(!existsSync(`/proc/${pid}`));
      assert.equal(box.out("ps", "-aq"), "");
      detached("back", "sleep 1000", "--rm");
      assert.deepEqual(readdirSync(join(box.store, "containers")).filter((one) => one.startsWith("half-") || one.length === 64).length, 1);
      const kept = box.start(["run", "--name", "kept", "--network", "none", "bb", "sh", "-c", "echo up; sleep 1000"]);
      await once(kept.stdout as NodeJS.ReadableStream, "data");
      kept.kill("SIGKILL");
      await once(kept, "close");
      for (let tries = 0; tries < 100 && !status("kept").startsWith("Exited (137)"); tries++) await pause(20);
      assert.match(status("kept"), /^Exited \(137\)/);
      box.out("rm", "-f", "back", "kept");
    });

    test("attach brings input and output; an image in use is not removed", async () => {
      detached("io", "while read line; do echo got $line; done; echo closed", "-i");
      const attached = box.start(["attach", "io"]);
      let text = "";
      attached.stdout?.on("data", (piece) => (text += piece));
      attached.stdin?.write("one\n");
      for (let tries = 0; tries < 200 && !text.includes("got one"); tries++) await pause(20);
      assert.equal(text, "got one\n");
      attached.kill("SIGKILL");
      assert.match(status("io"), /^Up /);
      const used = box.run(["rmi", "bb"]);
      assert.equal(used.status, 1);
      assert.match(
        used.stderr,
        /conflict: unable to remove repository reference "bb" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/,
      );
      box.out("rm", "-f", "io");
    });

    test("a container goes on without its image, whatever is pruned", () => {
      box.image("leaving");
      box.out("run", "-d", "--name", "stays", "--network", "none", "leaving", "sleep", "1000");
      box.out("rmi", "-f", "leaving");
      box.out("system", "prune", "-a", "-f");
      assert.equal(box.out("exec", "stays", "echo", "here"), "here\n");
      box.out("restart", "-t", "0", "stays");
      assert.equal(box.out("exec", "stays", "echo", "again"), "again\n");
      box.out("stop", "-t", "0", "stays");
      assert.match(box.out("system", "prune", "-f"), /^Deleted Containers:\n[0-9a-f]{64}\n/);
      assert.equal(box.out("ps", "-aq"), "");
      box.image("bb");
    });

    test("ps: filters, formats, -n, -l; inspect in docker's fields", () => {
      box.out("create", "--name", "first", "--label", "a=1", "bb", "echo", "a rather long command line");
      box.out("create", "--name", "second", "--label", "a=2", "-v", "vol:/v", "--expose", "99", "bb", "true");
      const names = (...args: string[]) =>
        box
          .out("ps", "--format", "{{.Names}}", ...args)
          .split("\n")
          .filter(Boolean);
      assert.deepEqual(names(), []);
      assert.deepEqual(names("-a"), ["second", "first"]);
      assert.deepEqual(names("-l"), ["second"]);
      assert.deepEqual(names("-n", "1"), ["second"]);
      assert.deepEqual(names("-a", "--filter", "label=a=1"), ["first"]);
      assert.deepEqual(names("--filter", "status=created", "--filter", "volume=vol"), ["second"]);
      assert.deepEqual(names("-a", "--filter", "since=first"), ["second"]);
      assert.deepEqual(names("-a", "--filter", "ancestor=bb:latest"), ["second", "first"]);
      assert.equal(box.run(["ps", "--filter", "nosuch=1"]).status, 1);
      assert.match(box.out("ps", "-a"), /"echo a rather long …"/);
      const json = JSON.parse(box.out("ps", "-a", "--format", "json").split("\n")[1] as string) as Record<string, string>;
      assert.deepEqual(
        [json["State"], json["Labels"], json["Names"], json["Command"]],
        ["created", "a=1", "first", '"echo a rather long …"'],
      );
      const [shown] = JSON.parse(box.out("inspect", "second")) as Record<string, never>[];
      assert.equal(shown?.["Name"], "/second");
      assert.equal(
        box.out("inspect", "-f", "{{.State.Status}} {{.Config.Image}} {{range .Mounts}}{{.Name}}:{{.Destination}}{{end}}", "second"),
        "created bb vol:/v\n",
      );
      assert.equal(box.run(["container", "inspect", "bb"]).status, 1);
      box.out("rm", "first", "second");
    });
  });
}
