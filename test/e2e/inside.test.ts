/** Commands that look into containers, running and stopped ones: cp, diff, export, commit, top, stats, port and debug. As root and as an ordinary user. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Containers, people } from "../containers.ts";

for (const { who, user, skip } of people()) {
  const single = who.includes("single");
  describe(`inside containers, as ${who}`, { skip }, () => {
    let box: Containers;
    before(async () => {
      box = await Containers.make(user);
      // No shell, no tar, nothing: one program that waits.
      box.image(
        "bare",
        (root) => {
          for (const name of readdirSync(join(root, "bin"))) if (name !== "busybox") spawnSync("rm", [join(root, "bin", name)]);
          symlinkSync("busybox", join(root, "bin/sleep"));
          writeFileSync(join(root, "etc/old"), "old\n");
        },
        ['CMD ["/bin/sleep", "1000"]', "EXPOSE 8080", "ENV A=1", "USER app"],
      );
      box.out("run", "-d", "--name", "bare", "--network", "none", "bare");
      const folder = join(box.dir, "folder");
      mkdirSync(join(folder, "sub"), { recursive: true });
      writeFileSync(join(folder, "sub/file"), "content\n");
      for (const path of ["folder", "folder/sub", "folder/sub/file"]) box.owned(join(box.dir, path));
    });
    after(() => box?.[Symbol.dispose]());

    test("cp needs no program in the container, and diff tells what it did", () => {
      box.out("cp", "folder", "bare:/tmp");
      box.out("cp", "folder/sub/file", "bare:/etc/old");
      box.out("cp", "bare:/tmp/folder/.", "back");
      assert.equal(readFileSync(join(box.dir, "back/sub/file"), "utf8"), "content\n");
      const owner = statSync(join(box.dir, "back/sub/file")).uid;
      assert.equal(owner, user?.uid ?? process.getuid?.());
      const list = box.shell("nought cp bare:/tmp/folder - | tar t");
      assert.equal(list.stdout, "folder/\nfolder/sub/\nfolder/sub/file\n");
      assert.equal(box.shell("tar -C folder -cz sub | nought cp - bare:/app").status, 0);
      assert.equal(
        box.out("diff", "bare"),
        "A /app/sub\nA /app/sub/file\nC /app\nC /etc\nC /etc/old\nC /tmp\nA /tmp/folder\nA /tmp/folder/sub\nA /tmp/folder/sub/file\n"
          .split("\n")
          .filter(Boolean)
          .sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1))
          .map((line) => `${line}\n`)
          .join(""),
      );
      // The whole of it, without what the kernel shows in /proc, /sys and /dev.
      assert.match(box.shell("nought cp bare:/ - | tar t | grep -E '^(proc|dev|sys)/'").stdout, /^dev\/\nproc\/\nsys\/\n$/);
      const missing = box.run(["cp", "bare:/nothing", "."]);
      assert.deepEqual([missing.status, missing.stderr.split("\n")[0]], [1, "ERROR: Could not find the file /nothing in container bare"]);
      assert.equal(box.run(["cp", "a", "b"]).stderr.split("\n")[0], "must specify at least one container source");
      assert.equal(box.run(["cp", "a", "nosuch:/b"]).status, 1);
    });

    test("cp -a gives what is copied to the container's user", { skip: single && "there is one id" }, () => {
      box.out("cp", "-a", "folder", "bare:/app/mine");
      box.out("cp", "folder", "bare:/app/theirs");
      const { stdout } = box.shell("nought cp bare:/app - | tar tv --numeric-owner");
      assert.match(stdout, / 1000\/1000 .* app\/mine\/sub\/file\n/);
      assert.match(stdout, / 0\/0 .* app\/theirs\/sub\/file\n/);
    });

    test("export and commit take what the container has, and nothing that is mounted into it", () => {
      const { stdout } = box.shell("nought export bare | tar tv --numeric-owner");
      assert.match(stdout, /-rw-r--r-- 0\/0 .* tmp\/folder\/sub\/file\n/);
      assert.ok(!/ (?:proc|dev|etc\/hosts|etc\/resolv.conf)/.test(stdout), stdout);
      box.out("export", "-o", "out.tar", "bare");
      assert.ok(statSync(join(box.dir, "out.tar")).size > 10_000);
      const changes = [
        "-c",
        "ENV B=$A$A",
        "-c",
        'CMD ["cat", "/tmp/folder/sub/file"]',
        "-c",
        'ENTRYPOINT ["/bin/busybox"]',
        "-c",
        "LABEL l=1",
      ];
      const id = box.out("commit", "-m", "kept", "-a", "me", ...changes, "bare", "committed");
      assert.match(id, /^sha256:[0-9a-f]{64}\n$/);
      assert.equal(box.out("run", "--rm", "--network", "none", "committed"), "content\n");
      const [image] = JSON.parse(box.out("image", "inspect", "committed"));
      assert.deepEqual([image.Author, image.Comment, image.Config.Labels, image.Config.User], ["me", "kept", { l: "1" }, "app"]);
      assert.ok(image.Config.Env.includes("B=11"), image.Config.Env.join());
      assert.match(box.out("history", "committed"), /\/bin\/sleep 1000 .*kept/);
      const refused = box.run(["commit", "-c", "RUN x", "bare"]);
      assert.deepEqual([refused.status, refused.stderr], [1, "RUN is not a valid change command\n"]);
      // A container that changed nothing adds no layer.
      box.out("create", "--name", "fresh", "bare");
      box.out("commit", "fresh", "same");
      const layers = (name: string) => JSON.parse(box.out("image", "inspect", name))[0].RootFS.Layers;
      assert.deepEqual(layers("same"), layers("bare"));
    });

    test("top, stats and port", () => {
      const top = box.out("top", "bare").split("\n");
      assert.match(top[0] as string, /^UID {17}PID {17}PPID {16}C {19}STIME {15}TTY {17}TIME {16}CMD$/);
      assert.match(top[1] as string, /^\S+ +\d+ +\d+ +\d+ +\d\d:\d\d +\? +00:00:00 +\/bin\/sleep 1000$/);
      assert.equal(top.length, 3);
      const stats = box.out("stats", "--no-stream").split("\n");
      assert.match(stats[0] as string, /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS$/);
      assert.match(stats[1] as string, /^[0-9a-f]{12} +bare +\d+\.\d\d% +[\d.]+[KM]iB \/ [\d.]+GiB +\d+\.\d\d% +0B \/ 0B +.* +1$/);
      assert.match(box.out("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "bare"), /^bare 1\n$/);
      assert.equal(box.out("port", "bare"), "");
      assert.deepEqual(box.run(["port", "bare", "8080"]).stderr.split("\n")[0], "ERROR: No public port '8080' published for bare");
    });

    test("exec in a container without a shell says what helps: debug", () => {
      const { status, stderr } = box.run(["exec", "bare", "bash"]);
      assert.equal(status, 127);
      assert.match(stderr, /exec: "bash": executable file not found in \$PATH/);
      assert.match(stderr, /nought debug bare/);
      const missing = box.run(["run", "--rm", "--network", "none", "bare", "sh"]);
      assert.equal(missing.status, 127);
      assert.match(missing.stderr, /exec: "sh": executable file not found in \$PATH[\s\S]*nought debug bare$/m);
      const seen = box.out("debug", "bare", "sh", "-c", "ps; ls /target/etc; echo changed > /target/tmp/by-debug");
      assert.match(seen, new RegExp(`^PID +USER +COMMAND\n +1 ${single ? "root" : "1000"} +/bin/sleep 1000\n[\\s\\S]*\ngroup\n`));
      const id = box.out("ps", "-q", "--no-trunc").trim();
      assert.equal(box.out("debug", "--image", "bb", id, "cat", "/target/tmp/by-debug"), "changed\n");
      assert.match(box.out("debug", "bare", "ls", "/target/tmp"), /by-debug/);
      assert.equal(box.run(["debug", "-c", "exit 9", "bare"]).status, 9);
      assert.equal(box.run(["debug", "nosuch"]).status, 1);
      assert.equal(box.run(["debug", "bare", "nosuch"]).status, 127);
      // The toolbox was made once, and is an image like others.
      assert.match(box.out("images"), /^(?:localhost\/)?nought\/toolbox +latest/m);
    });

    test("commit stops the processes for as long as it reads, and they go on also if it is killed", async () => {
      const line = "while :; do echo line >> /tmp/busy; done";
      box.out("run", "-d", "--name", "busy", "--network", "none", "bb", "sh", "-c", line);
      box.out("commit", "busy", "quiet");
      const size = () => Number(/ (\d+) \d{4}-/.exec(box.shell("nought cp busy:/tmp/busy - | tar tv --numeric-owner").stdout)?.[1]);
      const before = size();
      const child = box.start(["commit", "busy", "killed"]);
      await new Promise((resolve) => setTimeout(resolve, 400));
      child.kill("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.ok(size() > before, "it goes on");
      box.out("rm", "-f", "busy");
    });

    test("cp and what is mounted into a container: volumes are copied to, running or not; read-only roots are refused", () => {
      const flags = ["--network", "none", "--read-only", "-v", "data:/app", "bb", "sleep", "1000"];
      box.out("run", "-d", "--name", "mounted", ...flags);
      box.out("cp", "folder/sub/file", "mounted:/app/running");
      const refused = box.run(["cp", "folder/sub/file", "mounted:/tmp/x"]);
      assert.deepEqual([refused.status, refused.stderr.split("\n")[0]], [1, "ERROR: container rootfs is marked read-only"]);
      box.out("stop", "-t", "0", "mounted");
      box.out("cp", "folder/sub/file", "mounted:/app/stopped");
      box.out("cp", "mounted:/app/.", "volume");
      assert.deepEqual(readdirSync(join(box.dir, "volume")).sort(), ["running", "stopped"]);
      assert.equal(box.out("diff", "mounted"), "");
      assert.equal(box.out("run", "--rm", "--network", "none", "-v", "data:/d", "bb", "ls", "/d"), "running\nstopped\n");
      box.out("rm", "-f", "mounted");
    });

    test("debug looks into any process that may be traced, whoever started it", async () => {
      // As an ordinary user in a user namespace of his own, which nought then enters.
      const words = [
        ...(user || process.getuid?.() !== 0 ? ["-U", "-r"] : []),
        "-m",
        "-p",
        "-n",
        "-u",
        "-i",
        "-f",
        "--mount-proc",
        "--kill-child",
        "sleep",
        "43218",
      ];
      const child = spawn("unshare", words, { cwd: "/", stdio: "ignore", ...user });
      const children = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "latin1").trim();
      for (let tries = 0; tries < 100 && children() === ""; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
      try {
        const pid = children();
        const seen = box.out("debug", pid, "sh", "-c", "ps; ls -d /target/etc; ip -o link");
        assert.match(seen, /^PID +USER +COMMAND\n +1 root +sleep 43218\n[\s\S]*\n\/target\/etc\n1: lo:/);
        assert.equal(box.out("debug", `pid:${pid}`, "hostname"), box.shell("hostname").stdout);
      } finally {
        child.kill("SIGKILL");
      }
      const gone = box.run(["debug", "pid:4194304", "ps"]);
      assert.deepEqual([gone.status, gone.stderr.split("\n")[0]], [1, "ERROR: there is no process 4194304"]);
      if (!user) return;
      // Root's processes are not his, and his own among the machine's users only root may join.
      assert.match(box.run(["debug", `${process.pid}`, "ps"]).stderr, /may not be looked into: permission denied[\s\S]*sudo nought debug/);
      const own = spawn("sleep", ["43219"], { stdio: "ignore", ...user });
      assert.match(box.run(["debug", `${own.pid}`, "ps"]).stderr, /is in no user namespace of yours/);
      own.kill("SIGKILL");
    });

    test("the same of a container that does not run", () => {
      box.out("stop", "-t", "0", "bare");
      box.out("cp", "folder/sub/file", "bare:/tmp/later");
      box.out("cp", "bare:/tmp/later", "later");
      assert.equal(readFileSync(join(box.dir, "later"), "utf8"), "content\n");
      assert.match(box.out("diff", "bare"), /^A \/tmp\/later$/m);
      assert.match(box.shell("nought export bare | tar t").stdout, /^tmp\/later$/m);
      assert.match(box.out("debug", "bare", "ls", "/target/tmp"), /later/);
      assert.match(box.out("debug", "bare", "ls", "/target/bin"), /busybox/);
      const top = box.run(["top", "bare"]);
      assert.deepEqual([top.status, /is not running/.test(top.stderr)], [1, true]);
      assert.match(box.out("stats", "--no-stream", "bare"), / 0\.00% +0B \/ 0B +0\.00% +0B \/ 0B +0B \/ 0B +0\n$/);
      // What was copied in is there when it starts again, and nothing of the copying is left.
      box.out("start", "bare");
      assert.match(box.out("debug", "bare", "ls", "/target/tmp"), /later/);
      const id = box.out("ps", "-q", "--no-trunc").trim();
      assert.deepEqual(
        readdirSync(join(box.store, "containers", id)).filter((name) => name.startsWith("copy-")),
        [],
      );
    });
  });
}
