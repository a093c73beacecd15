/** `nought run` in the foreground, as docker's users know it: as root and as an ordinary user. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Containers, people } from "../containers.ts";

for (const { who, user, skip } of people()) {
  const single = who.includes("single");
  describe(`run as ${who}`, { skip }, () => {
    let box: Containers;
    before(async () => void (box = await Containers.make(user)));
    after(() => box?.[Symbol.dispose]());
    /** Nothing is left of containers with --rm. */
    const leftOvers = () => readdirSync(join(box.store, "containers")).filter((one) => one !== "names");

    test("X26: exit codes pass through, and docker's own for what cannot start", () => {
      for (const code of [0, 1, 7, 125, 126, 127, 137, 255]) assert.equal(box.sh(`exit ${code}`).status, code);
      assert.equal(box.sh("kill -9 $$", "--init").status, 137);
      assert.equal(box.sh("kill -TERM $$", "--init").status, 143);
      const missing = box.run(["run", "--rm", "--network", "none", "bb", "nosuch"]);
      assert.equal(missing.status, 127);
      assert.match(missing.stderr, /exec: "nosuch": executable file not found in \$PATH/);
      const plain = box.run(["run", "--rm", "--network", "none", "bb", "/etc/passwd"]);
      assert.equal(plain.status, 126);
      assert.match(plain.stderr, /exec: "\/etc\/passwd": permission denied/);
      const none = box.run(["run", "--rm", "--pull", "never", "nosuch"]);
      assert.equal(none.status, 125);
      assert.match(none.stderr, /Unable to find image 'nosuch:latest' locally/);
      assert.equal(box.run(["run", "--nosuch", "bb"]).status, 125);
      assert.equal(box.run(["run", "--rm", "scratch"]).status, 125);
      assert.match(box.run(["run", "--rm", "scratch"]).stderr, /'scratch' is a reserved name/);
      assert.deepEqual(leftOvers(), []);
    });

    test("output goes to its stream, input comes in where it is asked for", () => {
      const { stdout, stderr } = box.sh("echo out; echo err >&2");
      assert.equal(stdout, "out\n");
      assert.equal(stderr, "err\n");
      const echoed = box.run(["run", "-i", "--rm", "--network", "none", "bb", "cat"], { input: "some input\n" });
      assert.equal(echoed.stdout, "some input\n");
      assert.equal(box.run(["run", "--rm", "--network", "none", "bb", "cat"], { input: "not read\n" }).stdout, "");
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
      const binary = box.run(["run", "-i", "--rm", "--network", "none", "bb", "sh", "-c", "wc -c; exit 3"], { input: bytes });
      assert.deepEqual([binary.stdout.trim(), binary.status], ["256", 3]);
    });

    test("variables: the image's, files, flags, and those of the caller", () => {
      writeFileSync(join(box.dir, "env"), "# comment\nA=from file\n\nB=2\nHOST_VALUE\n");
      const { stdout } = box.run(
        [
          "run",
          "--rm",
          "--network",
          "none",
          "--env-file",
          "env",
          "-e",
          "B=3",
          "-e",
          "HOST_OTHER",
          "-e",
          "UNSET",
          "-h",
          "here",
          "bb",
          "env",
        ],
        { env: { HOST_VALUE: "given", HOST_OTHER: "also" } },
      );
      const found = stdout.split("\n").filter((line) => !/^(?:PATH|HOME|SHLVL|PWD|APT_CONFIG)=/.test(line) && line !== "");
      assert.deepEqual(found.sort(), ["A=from file", "B=3", "HOSTNAME=here", "HOST_OTHER=also", "HOST_VALUE=given"]);
      assert.match(stdout, /^PATH=\/usr\/local\/sbin:/m);
      writeFileSync(join(box.dir, "bad"), "a b=1\n");
      const bad = box.run(["run", "--rm", "--env-file", "bad", "bb", "true"]);
      assert.deepEqual([bad.status, /contains whitespaces/.test(bad.stderr)], [125, true]);
    });

    test("working directory, entrypoint, host name, users", () => {
      assert.equal(box.sh("pwd; touch x", "-w", "/new/dir").stdout, "/new/dir\n");
      assert.equal(box.run(["run", "--rm", "-w", "relative", "bb", "true"]).status, 125);
      assert.equal(box.run(["run", "--rm", "--network", "none", "--entrypoint", "echo", "bb", "a", "b"]).stdout, "a b\n");
      assert.match(
        box.sh("hostname; cat /etc/hostname; cat /etc/hosts", "--hostname", "box", "--add-host", "db:10.0.0.9").stdout,
        /^box\nbox\n/,
      );
      assert.match(box.sh("cat /etc/hosts", "--add-host", "db:10.0.0.9").stdout, /^10\.0\.0\.9\tdb$/m);
      assert.equal(
        box.sh("cat /etc/resolv.conf", "--dns", "9.9.9.9", "--dns-search", "example.org").stdout,
        "nameserver 9.9.9.9\nsearch example.org\n",
      );
      const nobody = box.sh("true", "-u", "nobody");
      assert.deepEqual([nobody.status, /unable to find user nobody: no matching entries in passwd file/.test(nobody.stderr)], [125, true]);
      if (single) return;
      assert.equal(box.sh("stat -c '%u %a' /new /new/dir", "-u", "app", "-w", "/new/dir").stdout, "0 755\n0 755\n");
      assert.equal(box.sh("id; echo $HOME", "-u", "app").stdout, "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)\n/app\n");
      assert.match(box.sh("id", "-u", "1234:5678", "--group-add", "2000").stdout, /^uid=1234 gid=5678 groups=2000\(extra\),5678/);
    });

    test("--read-only, --tmpfs, --shm-size, ulimits, capabilities", () => {
      assert.match(box.sh("touch /x", "--read-only").stderr, /Read-only file system/);
      assert.equal(
        box.sh("touch /scratch/x && mount | grep -c ' /scratch .*size=1024k'", "--read-only", "--tmpfs", "/scratch:size=1m").stdout,
        "1\n",
      );
      assert.match(box.sh("mount | grep /dev/shm", "--shm-size", "8m").stdout, /size=8192k/);
      assert.equal(box.sh("ulimit -n", "--ulimit", "nofile=77:88").stdout, "77\n");
      const effective = (...flags: string[]) => /CapEff:\s*(\w+)/.exec(box.sh("cat /proc/self/status", ...flags).stdout)?.[1];
      assert.equal(effective(), "00000000a80425fb");
      assert.equal(effective("--cap-drop", "ALL", "--cap-add", "CHOWN"), "0000000000000001");
      assert.equal(effective("--cap-drop", "chown,CAP_KILL"), "00000000a80425da");
      const bad = box.sh("true", "--cap-add", "NOSUCH");
      assert.deepEqual([bad.status, /invalid capability/.test(bad.stderr)], [125, true]);
    });

    test("--security-opt: filter and privileges", () => {
      const status = (...flags: string[]) => box.sh("cat /proc/self/status", ...flags).stdout;
      assert.match(status(), /^NoNewPrivs:\t0$/m);
      assert.match(status("--security-opt", "no-new-privileges"), /^NoNewPrivs:\t1$/m);
      assert.match(status(), /^Seccomp:\t2$/m);
      const other = box.sh("true", "--security-opt", "seccomp=profile.json");
      assert.deepEqual([other.status, /profile.json cannot be read: ENOENT/.test(other.stderr)], [125, true]);
      const hidden = "ls /proc/acpi /proc/scsi 2>/dev/null | grep -c .; test -c /proc/kcore || test -s /proc/kcore && echo open";
      assert.doesNotMatch(box.sh(hidden).stdout, /open/);
    });

    test("namespaces of the machine", () => {
      const own = (kind: string, ...flags: string[]) =>
        box
          .sh(`ls -l /proc/self/ns/${kind}`, ...flags)
          .stdout.split(" ")
          .at(-1)
          ?.trim();
      for (const kind of ["pid", "ipc", "uts"]) {
        const here = readlinkSync(`/proc/self/ns/${kind}`);
        assert.equal(own(kind, `--${kind}`, "host"), here);
        assert.notEqual(own(kind), here);
      }
      const host = box.run(["run", "--rm", "--network", "host", "bb", "ls", "-l", "/proc/self/ns/net"]);
      assert.ok(host.stdout.includes(readlinkSync("/proc/self/ns/net")), host.stderr);
      assert.equal(box.sh("exit 3", "--pid", "host").status, 3);
    });

    test("bind mounts: directories, files, read-only, missing ones", () => {
      const folder = join(box.dir, "shared");
      mkdirSync(folder);
      writeFileSync(join(folder, "file"), "host\n");
      box.owned(folder);
      box.owned(join(folder, "file"));
      const both = box.sh(
        "cat /data/file /one; echo made > /data/made",
        "-v",
        `${folder}:/data`,
        "--mount",
        `type=bind,src=${folder}/file,dst=/one,readonly`,
      );
      assert.equal(both.stdout, "host\nhost\n");
      assert.equal(readFileSync(join(folder, "made"), "utf8"), "made\n");
      assert.match(box.sh("echo no > /data/file", "-v", `${folder}:/data:ro`).stderr, /Read-only file system/);
      // What is missing is made for -v, and is an error for --mount, as with docker.
      assert.equal(box.sh("ls -d /d", "-v", `${box.dir}/newly/made:/d`).status, 0);
      assert.ok(existsSync(join(box.dir, "newly/made")));
      const missing = box.sh("true", "--mount", `type=bind,src=${box.dir}/nosuch,dst=/d`);
      assert.deepEqual([missing.status, /bind source path does not exist/.test(missing.stderr)], [125, true]);
      // In the image nothing is left of where something was mounted.
      assert.equal(box.sh("ls -d /data /one 2>/dev/null").stdout, "");
    });

    test("X21: volumes that cannot be, and links of the host", () => {
      for (const [flag, value] of [
        ["-v", "/"],
        ["-v", "name:/"],
        ["-v", "name:/.."],
        ["-v", "name:relative"],
        ["-v", "na/me:/x"],
        ["-v", "../x:rel"],
        ["-v", "name:/proc"],
        ["-v", "name:/sys/fs"],
        ["-v", "a:b:c:d"],
        ["-v", "name:/x:bad"],
        ["--mount", "type=volume"],
        ["--mount", "type=nosuch,dst=/x"],
        ["--mount", "type=tmpfs,dst=/x,tmpfs-size=many"],
        ["--tmpfs", "relative"],
      ] as const) {
        const ran = box.sh("echo ran", flag, value);
        assert.deepEqual([ran.status, ran.stdout], [125, ""], `${flag} ${value}: ${ran.stderr}`);
      }
      assert.match(box.sh("true", "-v", "a1:/x", "-v", "b1:/x").stderr, /Duplicate mount point: \/x/);
      for (const volume of ["/", "/proc", "/.."]) {
        box.image("vol", () => {}, [`VOLUME ${JSON.stringify([volume])}`]);
        const ran = box.run(["run", "--rm", "--network", "none", "vol", "echo", "ran"]);
        assert.deepEqual([ran.status, ran.stdout], [125, ""], `${volume}: ${ran.stderr}`);
      }
      const link = join(box.dir, "link");
      mkdirSync(join(box.dir, "linked"));
      box.owned(join(box.dir, "linked"));
      symlinkSync(join(box.dir, "linked"), link);
      assert.equal(box.sh("touch /d/x", "-v", `${link}:/d`).status, 0);
      assert.ok(existsSync(join(box.dir, "linked/x")));
      assert.deepEqual(leftOvers(), []);
    });

    test("volumes: kept under their name, filled from the image, and the image's own", () => {
      box.image("data", (root) => {
        mkdirSync(join(root, "data/sub"), { recursive: true });
        writeFileSync(join(root, "data/sub/file"), "from the image\n");
      });
      const data = (line: string, ...flags: string[]) => box.run(["run", "--rm", "--network", "none", ...flags, "data", "sh", "-c", line]);
      assert.equal(data("cat /data/sub/file; echo more > /data/more", "-v", "kept:/data").stdout, "from the image\n");
      assert.equal(data("cat /data/sub/file /data/more", "-v", "kept:/data").stdout, "from the image\nmore\n");
      assert.equal(box.sh("cat /other/more", "-v", "kept:/other:ro").stdout, "more\n");
      assert.equal(data("ls /data", "-v", "empty:/data:nocopy").stdout, "");
      box.image("own", (root) => mkdirSync(join(root, "var/lib"), { recursive: true }), ["VOLUME /var/lib/own"]);
      assert.match(box.run(["run", "--rm", "--network", "none", "own", "mount"]).stdout, / on \/var\/lib\/own type /);
      assert.deepEqual(leftOvers(), []);
      assert.equal(box.out("volume", "ls", "-q"), "empty\nkept\n");
      box.out("create", "--name", "user", "-v", "kept:/k", "bb", "true");
      const used = box.run(["volume", "rm", "kept"]);
      assert.deepEqual([used.status, /volume is in use - \[user\]/.test(used.stderr)], [1, true]);
      assert.equal(box.out("volume", "ls", "-q", "--filter", "dangling=true"), "empty\n");
      assert.match(box.out("volume", "inspect", "-f", "{{.Mountpoint}}", "kept"), /volumes\/kept\/_data\n$/);
      box.out("rm", "user");
      assert.equal(box.out("volume", "rm", "kept"), "kept\n");
      assert.match(box.run(["volume", "rm", "kept"]).stderr, /get kept: no such volume/);
      assert.equal(box.out("volume", "create", "made"), "made\n");
      assert.equal(box.out("volume", "prune", "-f"), "Deleted Volumes:\nempty\nmade\n");
    });

    test("X14: whatever the image has for passwd and group", () => {
      const passwd = (name: string, text: string) => box.image(name, (root) => writeFileSync(join(root, "etc/passwd"), text));
      const id = (image: string, user: string) =>
        box.run(["run", "--rm", "--network", "none", "-u", user, image, "stat", "-c", "%u", "/proc/self/"]);
      passwd("odd", "1000:x:0:0::/:/bin/sh\nbig:x:4294967295:0::/:/bin/sh\nwrap:x:4294967296:0::/:/bin/sh\nlast:x:0:0::/home/last:/bin/sh");
      assert.notEqual(id("odd", "big").status, 0);
      assert.notEqual(id("odd", "wrap").status, 0);
      assert.notEqual(id("odd", "4294967295").status, 0);
      assert.notEqual(id("odd", "4294967296").status, 0);
      assert.equal(id("odd", "last").stdout, "0\n");
      if (!single) assert.equal(id("odd", "1000").stdout, "1000\n");
      passwd("large", "#".repeat(11 << 20));
      const large = id("large", "0");
      assert.deepEqual([large.status, /bytes are read|are read/.test(large.stderr)], [125, true]);
      box.image("folder", (root) => {
        unlinkSync(join(root, "etc/passwd"));
        mkdirSync(join(root, "etc/passwd"));
      });
      assert.equal(id("folder", "0").stdout, "0\n");
      box.image("zero", (root) => {
        unlinkSync(join(root, "etc/passwd"));
        symlinkSync("/dev/zero", join(root, "etc/passwd"));
      });
      assert.equal(id("zero", "0").stdout, "0\n");
      assert.equal(id("zero", "app").status, 125);
    });

    test("X20: labels and annotations of an image steer nothing", () => {
      const labels = {
        "io.podman.annotations.privileged": "TRUE",
        "com.docker.security": "off",
        "io.containers.autoupdate": "image",
        "run.oci.hooks": "x",
      };
      box.image("labels", () => {}, [
        `LABEL ${Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(" ")}`,
      ]);
      const ran = box.run(["run", "--rm", "--network", "none", "labels", "cat", "/proc/self/status"]);
      assert.match(ran.stdout, /^Seccomp:\t2$/m);
      assert.match(ran.stdout, /^CapEff:\t00000000a80425fb$/m);
    });

    test("X16: a terminal is as it was before, also after a kill", { skip: existsSync("/usr/bin/script") ? false : "no script(1)" }, () => {
      const line = "stty -a > before; nought run --rm -it --network none bb sh -c 'test -t 0 && tty; stty raw'; stty -a > after";
      const ran = box.shell(`script -qec "${line}" /dev/null`);
      assert.match(ran.stdout, /\/dev\/pts\/0/);
      assert.equal(readFileSync(join(box.dir, "after"), "utf8"), readFileSync(join(box.dir, "before"), "utf8"));
      const killed =
        "stty -a > before; nought run --rm -it --network none bb sh -c 'kill -9 1; sleep 5' & sleep 1; kill -9 $!; sleep 0.5; stty -a > after";
      box.shell(`script -qec "${killed}" /dev/null`);
      assert.equal(readFileSync(join(box.dir, "after"), "utf8"), readFileSync(join(box.dir, "before"), "utf8"));
      const none = box.run(["run", "--rm", "-it", "bb", "sh"]);
      assert.deepEqual([none.status, /the input device is not a TTY/.test(none.stderr)], [1, true]);
    });

    test("flags that are refused say why", () => {
      for (const [flags, words] of [
        [["--restart", "always"], /no daemon/],
        [["--link", "a:b"], /--network container:NAME/],
        [["--runtime", "nosuch"], /unknown or invalid runtime name/],
        [["--network", "nosuch"], /network nosuch not found/],
        [["--pid", "container:nosuch"], /No such container: nosuch/],
        [["--memory", "lots"], /invalid size/],
        [["--memory", "1k"], /Minimum memory limit allowed is 6MB/],
        [["--entrypoint", ""], /no command specified/],
        [["--pull", "sometimes"], /invalid pull option/],
        [["-p", "70000:80"], /invalid hostPort/],
      ] as const) {
        const ran = box.run(["run", "--rm", ...flags, "bb", ...(flags[0] === "--entrypoint" ? [] : ["true"])]);
        assert.deepEqual([ran.status, words.test(ran.stderr)], [125, true], `${flags.join(" ")}: ${ran.stderr}`);
      }
    });
  });
}
