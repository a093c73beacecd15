import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as operations from "../store-drivers/operations.ts";
import {
  bundleDriver,
  HEAVY,
  type Point,
  pointsOf,
  randomFrom,
  strike,
  testFolder,
  trace,
  withoutMounts,
  withoutStrace,
} from "../store-drivers/start.ts";

const folder = testFolder("disk");
const driver = await bundleDriver(folder);
const node = process.execPath;
const prepared = join(folder, "prepared");
await operations.build(prepared, "anchor", "anchor", 5000);

/** Runs a shell script in a mount namespace of its own. `$NODE $DRIVER` is the driver, `$M` an empty folder to mount on. */
function inMounts(script: string, env: Record<string, string> = {}) {
  const mount = join(folder, "mount");
  mkdirSync(mount, { recursive: true });
  return spawnSync("unshare", ["-m", "/bin/sh", "-ec", script], {
    encoding: "utf8",
    env: { ...process.env, NODE: node, DRIVER: driver, M: mount, FROM: prepared, ...env },
  });
}

const fails = (err: string, code: string, what: RegExp) => {
  assert.match(err, new RegExp(`^${code}: `, "m"));
  assert.match(err, what);
  assert.doesNotMatch(err, /undefined|\[object|at .*\.(?:ts|mjs):/);
};

test("S04: the disk is full after k bytes: exit 7, nothing half-written, and it works when there is space", {
  skip: withoutMounts(),
}, () => {
  // 1 MiB of layer and its documents; the tmpfs also holds the anchor.
  const sizes = HEAVY ? Array.from({ length: 30 }, (_, n) => 100 + n * 36) : [100, 108, 116, 300, 700, 1100, 1132, 1148];
  for (const k of sizes) {
    const { stdout, stderr, status } = inMounts(
      `mount -t tmpfs -o size=${k}k,mode=0700 none $M; cp -a $FROM $M/s
       $NODE $DRIVER build $M/s new new 1048576 && echo built || echo "failed $?"
       echo left $(find $M/s/tmp -type f | wc -l)
       $NODE $DRIVER check $M/s; $NODE $DRIVER read $M/s
       mount -o remount,size=8m $M
       $NODE $DRIVER build $M/s new new 1048576; $NODE $DRIVER check $M/s; $NODE $DRIVER read $M/s; find $M/s/tmp -type f`,
    );
    assert.equal(status, 0, stderr);
    const lines = stdout.trim().split("\n");
    if (lines.includes("built")) assert.ok(k > 1000, `${k} KiB cannot hold it`);
    else {
      assert.ok(lines.includes("failed 7"), stdout);
      fails(stderr, "NO_SPACE", /no space left/);
    }
    assert.ok(lines.includes("left 0"), stdout);
    assert.equal(lines.filter((line) => line === "ok []").length, 2, `${k}: ${stdout}`);
    assert.equal(lines.at(-1), "ok 2", stdout);
  }
});

test("S05: no inodes left: exit 7 and the message says so", { skip: withoutMounts() }, () => {
  const used = Number(spawnSync("/bin/sh", ["-c", `find ${prepared} | wc -l`], { encoding: "utf8" }).stdout) + 1;
  for (const more of HEAVY ? Array.from({ length: 12 }, (_, n) => n) : [0, 1, 2, 4, 5]) {
    const { stdout, stderr, status } = inMounts(
      `mount -t tmpfs -o nr_inodes=${used + more},mode=0700 none $M; cp -a $FROM $M/s
       $NODE $DRIVER build $M/s new new && echo built || echo "failed $?"
       $NODE $DRIVER check $M/s; $NODE $DRIVER read $M/s
       mount -o remount,nr_inodes=1000 $M; $NODE $DRIVER build $M/s new new; $NODE $DRIVER check $M/s`,
    );
    assert.equal(status, 0, stderr);
    if (!stdout.includes("built")) {
      assert.match(stdout, /failed 7/);
      fails(stderr, "NO_SPACE", /no inodes left/);
    }
    assert.equal(stdout.split("\n").filter((line) => line === "ok []").length, 2, `${more} more: ${stdout}`);
  }
});

test("a full disk does not keep prune from making room, with blocks or inodes gone", { skip: withoutMounts() }, () => {
  for (const limit of ["size=700k", "nr_inodes=60"]) {
    const { stdout, stderr, status } = inMounts(
      `mount -t tmpfs -o ${limit},mode=0700 none $M; cp -a $FROM $M/s
       $NODE $DRIVER loop build 3 $M/s app% seed% 100000; $NODE $DRIVER loop remove 3 $M/s app%
       i=0; while mkdir $M/fill$i 2>/dev/null && dd if=/dev/zero of=$M/fill$i/f bs=1k count=100 2>/dev/null && [ $i -lt 100 ]; do i=$((i+1)); done
       $NODE $DRIVER build $M/s more more 300000 || echo "failed $?"
       $NODE $DRIVER prune $M/s all; $NODE $DRIVER check $M/s; $NODE $DRIVER build $M/s more more 100000; ls $M/s/tmp`,
    );
    assert.equal(status, 0, stderr);
    const lines = stdout.trim().split("\n");
    assert.ok(lines.includes("failed 7"), stdout);
    assert.deepEqual(
      lines.slice(-3, -1).map((line) => line.replace(/\d+/, "N")),
      ["ok N", "ok []"],
      `${limit}: ${stdout}${stderr}`,
    );
  }
});

test("S06: a file size limit: exit 7, nothing left", () => {
  const dir = join(folder, "limit");
  cpSync(prepared, dir, { recursive: true });
  const { status, stderr } = spawnSync("prlimit", ["--fsize=500000", node, driver, "build", dir, "new", "new", "1048576"], {
    encoding: "utf8",
  });
  assert.equal(status, 7, stderr);
  fails(stderr, "STORAGE", /file size limit/);
  assert.deepEqual(readdirSync(join(dir, "tmp")), []);
});

test("S07: an fsync that fails once: exit 7, no blob, no name, and no second try is trusted", { skip: withoutStrace() }, async () => {
  const size = "40000000";
  const dir = join(folder, "eio");
  cpSync(prepared, dir, { recursive: true });
  const calls = ["fsync", "fdatasync"];
  const points = pointsOf(trace(folder, calls.join(","), [node, driver, "build", dir, "new", "new", size]), dir, calls);
  rmSync(dir, { recursive: true });
  for (const call of calls)
    assert.ok(
      points.some((point) => point.call === call),
      `${call} is used`,
    );
  for (const point of points) {
    cpSync(prepared, dir, { recursive: true });
    const { status, stderr, stdout } = strike(point, "error=EIO", [node, driver, "build", dir, "new", "new", size]);
    assert.equal(status, 7, `${point.call} ${point.n}: ${stdout}${stderr}`);
    assert.match(stderr, /STORAGE: .*input\/output error/);
    assert.doesNotMatch(stdout, /ok/);
    assert.deepEqual(await operations.errorsOf(dir), []);
    assert.deepEqual(readdirSync(join(dir, "tmp")), []);
    assert.equal(await operations.build(dir, "new", "new", Number(size)), await operations.tag(dir, "new", "new"));
    rmSync(dir, { recursive: true });
  }
});

test("S08: errors of other calls: 7 or the work is done", { skip: withoutStrace() }, async () => {
  const cases = [
    ["rename", "EXDEV"],
    ["rename", "EIO"],
    ["mkdir", "EMLINK"],
    ["fchmod", "EPERM"],
    ["unlink", "EIO"],
    ["rmdir", "EIO"],
    ["write", "EINTR"],
    ["write", "EAGAIN"],
    ["pread64", "EIO"],
    ["pread64", "EINTR"],
    ["openat", "EMFILE"],
    ["openat", "EIO"],
  ] as const;
  const dir = join(folder, "errors");
  const args = (kind: string) => [node, driver, kind, dir, ...(kind === "build" ? ["new", "new", "400000"] : ["all"])];
  const random = randomFrom("S08");
  const seen = new Set<string>();
  for (const kind of ["build", "prune"]) {
    for (const [call, error] of cases) {
      cpSync(prepared, dir, { recursive: true });
      const points = pointsOf(trace(folder, call, args(kind)), dir, [call]);
      for (let at = 0; at < points.length; at++) {
        // All of them, or the last one and sometimes another.
        if (!HEAVY && at < points.length - 1 && random() > 1 / points.length) continue;
        rmSync(dir, { recursive: true });
        cpSync(prepared, dir, { recursive: true });
        const { status, stderr } = strike(points[at] as Point, `error=${error}`, args(kind));
        assert.ok(status === 0 || status === 7, `${kind} ${call} ${error} ${at}: ${status} ${stderr}`);
        if (status === 7) assert.match(stderr, /^STORAGE: .*$/m);
        seen.add(`${call} ${error} ${status}`);
        assert.deepEqual(await operations.errorsOf(dir), [], `${kind} ${call} ${error} ${at}`);
        await operations.build(dir, "new", "new", 400_000);
        await operations.prune(dir, true);
        assert.deepEqual(await operations.errorsOf(dir), []);
      }
      rmSync(dir, { recursive: true });
    }
  }
  // Proof that errors arrive, and that interrupted calls are taken up again.
  for (const one of ["rename EXDEV 7", "mkdir EMLINK 7", "openat EMFILE 7", "write EINTR 0", "pread64 EINTR 0"])
    assert.ok(seen.has(one), `${one} in ${[...seen].join(", ")}`);
});

test("S09: a read-only store is read without one attempt to write, and a write says 7", {
  skip: withoutMounts() || withoutStrace(),
}, () => {
  const { stdout, stderr, status } = inMounts(
    `mount --bind $FROM $M; mount -o remount,ro,bind $M
     strace -f -y -o $M.log -e trace=openat,mkdir,rename,unlink,unlinkat,rmdir,fchmod,ftruncate,link,linkat,symlink $NODE $DRIVER read $M
     $NODE $DRIVER check $M
     grep $M $M.log
     for what in "build $M new new" "tag $M anchor b" "remove $M anchor" "prune $M"; do $NODE $DRIVER $what || echo "failed $?"; done`,
  );
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^ok 1$/m);
  assert.match(stdout, /^ok \[\]$/m);
  assert.doesNotMatch(stdout, /O_WRONLY|O_RDWR|O_CREAT|mkdir\(|rename\(|unlink/);
  assert.equal(stdout.split("\n").filter((line) => line === "failed 7").length, 4, stdout);
  for (const line of stderr.trim().split("\n")) assert.match(line, /^STORAGE: .*read-only/);
});

test("S21: a store on an overlay, below other stores, works as on any disk", { skip: withoutMounts() }, (t) => {
  const { stdout, stderr, status } = inMounts(
    `mount -t tmpfs none $M; mkdir $M/upper $M/work $M/over; cp -a $FROM $M/lower
     mount -t overlay overlay -o lowerdir=$M/lower,upperdir=$M/upper,workdir=$M/work $M/over || { echo none; exit 0; }
     chmod 0700 $M/over
     $NODE $DRIVER read $M/over; $NODE $DRIVER build $M/over new new 400000; $NODE $DRIVER tag $M/over anchor other
     $NODE $DRIVER remove $M/over anchor; $NODE $DRIVER prune $M/over all; $NODE $DRIVER prune $M/over all
     $NODE $DRIVER check $M/over; $NODE $DRIVER read $M/over; ls $M/over/tmp $M/over/lock $M/over/trash | grep -v : || true`,
  );
  if (stdout.trim() === "none") return t.skip("no overlay here");
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n").slice(-2), ["ok []", "ok 2"], stdout);
});

test("S10: HOME read-only or missing below the store: 7 with the path", { skip: withoutMounts() }, () => {
  const { stdout, stderr } = inMounts(
    `mount -t tmpfs none $M; mount -o remount,ro $M; $NODE $DRIVER build $M/home/store a a || echo "failed $?"`,
  );
  assert.match(stdout, /failed 7/);
  fails(stderr, "STORAGE", /could not create the store .*\/home\/store: .*read-only/);
});

test("S22: 64 descriptors are enough", () => {
  const dir = join(folder, "few");
  cpSync(prepared, dir, { recursive: true });
  const run = (limit: number, ...args: string[]) =>
    spawnSync("prlimit", [`--nofile=${limit}`, node, driver, ...args], { encoding: "utf8" });
  for (const args of [
    ["build", dir, "new", "new", "3000000"],
    ["load", dir, "b", "b"],
    ["prune", dir, "all"],
    ["read", dir],
  ])
    assert.equal(run(64, ...args).status, 0);
});
