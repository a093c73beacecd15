import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { assertTidy, assertWhole, context, digestOfName } from "../builds.ts";
import { program } from "../program.ts";
import { HEAVY, withoutMounts } from "../store-drivers/start.ts";

const nought = await program();
nought.write({ ...context("anchor", 5000), ...context("new", 1_500_000) });
nought.out("build", "-q", "-t", "anchor", "anchor");
const prepared = nought.env["NOUGHT_STORE"] as string;
const quoted = nought.command.map((word) => `'${word}'`).join(" ");

/** Runs a shell script in a mount namespace of its own, where $M is an empty folder to mount on and `nought` the program. */
function inMounts(script: string) {
  const mount = join(nought.dir, "mount");
  mkdirSync(mount, { recursive: true });
  return spawnSync("unshare", ["-m", "bash", "-ec", `nought() { ${quoted} "$@"; }\n${script}`], {
    encoding: "utf8",
    cwd: nought.dir,
    env: { ...nought.env, M: mount, FROM: prepared },
  });
}

/** A message of class 7 as users see it. */
function clear(stderr: string, words: RegExp): void {
  assert.match(stderr, words);
  assert.doesNotMatch(stderr, /undefined|\[object|\n +at /);
}

test("S04: a build on a disk that gets full: exit 7, its own files gone, no name, and fine when there is space", {
  skip: withoutMounts(),
}, () => {
  const sizes = HEAVY ? Array.from({ length: 30 }, (_, n) => 100 + n * 70) : [120, 300, 1000, 1620, 1660];
  for (const k of sizes) {
    const { stdout, stderr, status } = inMounts(
      `mount -t tmpfs -o size=${k}k,mode=0700 none $M; cp -a $FROM $M/s
       nought --store $M/s build -q -t new new && echo built || echo "failed $?"
       echo left $(find $M/s/tmp -type f | wc -l)
       nought --store $M/s images --format '{{.Repository}}' | sort | tr '\\n' ' '; echo
       mount -o remount,size=9m $M
       nought --store $M/s build -q -t new new; nought --store $M/s images -q | wc -l; find $M/s/tmp $M/s/trash -type f`,
    );
    assert.equal(status, 0, stderr);
    const lines = stdout.trim().split("\n");
    if (lines.includes("built")) assert.ok(k > 1500, `${k} KiB cannot hold it`);
    else {
      assert.ok(lines.includes("failed 7"), stdout);
      assert.ok(lines.includes("anchor "), `no name was set: ${stdout}`);
      clear(stderr, /no space left on the disk/);
    }
    assert.ok(lines.includes("left 0"), stdout);
    assert.equal(lines.at(-1), "2", stdout);
  }
});

test("S04, C11: a sparse terabyte fills the disk: exit 7, bounded in time and memory", { skip: withoutMounts() }, () => {
  const dir = join(nought.dir, "sparse");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "Dockerfile"), "FROM scratch\nCOPY huge /\n");
  writeFileSync(join(dir, "huge"), "");
  truncateSync(join(dir, "huge"), 2 ** 40);
  const { stdout, stderr, status } = inMounts(
    `mount -t tmpfs -o size=40m,mode=0700 none $M; ulimit -v 4000000
     nought --store $M/s build -q -t big sparse || echo "failed $?"; find $M/s -type f -size +1k`,
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "failed 7\n");
  clear(stderr, /no space left on the disk/);
});

test("S05: no inodes left: exit 7 and the message says so", { skip: withoutMounts() }, () => {
  const used = Number(spawnSync("sh", ["-c", `find ${prepared} | wc -l`], { encoding: "utf8" }).stdout) + 1;
  for (const more of HEAVY ? Array.from({ length: 20 }, (_, n) => n) : [0, 2, 5, 9]) {
    const { stdout, stderr, status } = inMounts(
      `mount -t tmpfs -o nr_inodes=${used + more},mode=0700 none $M; cp -a $FROM $M/s
       nought --store $M/s build -q -t new new && echo built || echo "failed $?"
       mount -o remount,nr_inodes=1000 $M
       nought --store $M/s build -q -t new new; nought --store $M/s images -q | wc -l; find $M/s/tmp -type f`,
    );
    assert.equal(status, 0, stderr);
    if (!stdout.includes("built")) {
      assert.match(stdout, /failed 7/);
      clear(stderr, /no inodes left on the disk/);
    }
    assert.equal(stdout.trim().split("\n").at(-1), "2");
  }
});

test("S32: an output to a full disk: exit 7, the old file as it was, nothing beside it, no name", { skip: withoutMounts() }, () => {
  for (const output of ["type=oci,dest=$M/out", "type=docker,dest=$M/out", "type=tar,dest=$M/out", "type=local,dest=$M/folder"]) {
    const { stdout, stderr, status } = inMounts(
      `mount -t tmpfs -o size=300k none $M; echo old >$M/out
       nought build -q -t named --no-cache -o type=image -o ${output},compression=uncompressed new && echo built || echo "failed $?"
       cat $M/out; find $M -name '.*' | wc -l; nought images -q named | wc -l`.replace(
        /(type=(?:local|tar),[^ ]*),compression=uncompressed/,
        "$1",
      ),
    );
    assert.equal(status, 0, stderr);
    assert.equal(stdout, "failed 7\nold\n0\n0\n", output);
    clear(stderr, /no space left on the disk/);
  }
});

test("S06: a file size limit: exit 7, nothing left", async () => {
  const store = join(nought.dir, "limited");
  cpSync(prepared, store, { recursive: true });
  const { status, stderr } = nought.shell(`prlimit --fsize=500000 ${quoted} --store ${store} build -q --no-cache -t new new`);
  assert.equal(status, 7, stderr);
  clear(stderr, /file size limit/);
  assertTidy(store, "limited");
  await assertWhole(store, "limited");
  assert.equal(await digestOfName(store, "new"), undefined);
});

test("S09: with a read-only store a build says so, and what only reads works", { skip: withoutMounts() }, () => {
  const { stdout, stderr, status } = inMounts(
    `mount --bind $FROM $FROM; mount -o remount,ro,bind $FROM
     nought build -q -t new new || echo "failed $?"
     nought build -q -t again anchor || echo "failed $?"
     nought build --check new >/dev/null && echo checked
     nought build --print plan new >/dev/null && echo planned
     nought images -q | wc -l; nought save anchor | tar -t >/dev/null && echo saved`,
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "failed 7\nfailed 7\nchecked\nplanned\n1\nsaved\n", stderr);
  clear(stderr, /read-only/);
});

test("S10: folders that cannot be used: TMPDIR missing, HOME read-only, the working directory gone", { skip: withoutMounts() }, () => {
  const { stdout, stderr, status } = inMounts(
    `export TMPDIR=/nowhere; nought build -q new >/dev/null && echo built
     mount -t tmpfs none $M; mkdir $M/home; mount -o remount,ro $M
     env -u NOUGHT_STORE HOME=$M/home ${quoted} build -q new || echo "failed $?"
     cd "$(mktemp -d -p /tmp)"; rmdir "$PWD"; nought build -q ${nought.dir}/new >/dev/null && echo built; nought build . || echo "failed $?"`,
  );
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^built\nfailed 7\nbuilt\nfailed [127]\n$/, stderr);
  clear(stderr, /read-only/);
});

test("C15: as an ordinary user: a context out of reach is named", {
  skip: process.getuid?.() === 0 ? false : "needs root to become somebody else",
}, () => {
  const dir = mkdtempSync(join(tmpdir(), "nought-nobody-"));
  try {
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, "shut/context"), { recursive: true });
    chmodSync(join(dir, "shut"), 0o700);
    mkdirSync(join(dir, "own"), { mode: 0o777 });
    chmodSync(join(dir, "own"), 0o777);
    const run = (...args: string[]) =>
      spawnSync(nought.command[0] as string, [...nought.command.slice(1), "--store", join(dir, "own/store"), ...args], {
        uid: 65_534,
        gid: 65_534,
        cwd: "/",
        encoding: "utf8",
        env: { ...nought.env, HOME: join(dir, "own") },
      });
    const { status, stderr } = run("build", "-q", join(dir, "shut/context"));
    assert.equal(status, 1, stderr);
    clear(stderr, /shut\/context.*permission denied/);
    assert.deepEqual(existsSync(join(dir, "own/store")) ? readdirSync(join(dir, "own/store")) : [], []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
