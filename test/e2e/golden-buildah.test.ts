/** Some golden Dockerfiles with RUN, built by nought and by the buildah at hand: the same merged tree. Without buildah: skipped. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { BUSYBOX, GOLDEN } from "../golden/case.ts";
import { compare, describeDifferences } from "../golden/compare.ts";
import { type Picture, readImage } from "../golden/image.ts";
import { noughtCommand } from "../golden/nought.ts";

const CASES =
  "files nothing remove opaque file-over-dir rename chmod-only touch-same copy-from-run fifo times umask user workdir-made env-args".split(
    " ",
  );

/** In words that older versions of buildah know. */
const BASE = `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "for p in cat chgrp chmod chown cp env echo grep id ln ls mkdir mkfifo mv rm sh sort stat test touch true umask whoami; do busybox ln -s busybox /bin/$p; done"]
COPY passwd group /etc/
`;

const dir = mkdtempSync(join(tmpdir(), "nought-buildah-"));
after(() => {
  spawnSync("umount", ["-l", join(dir, "root/overlay")]);
  rmSync(dir, { recursive: true, force: true });
});

const given = process.env["NOUGHT_BUILDAH"]?.trim().split(/\s+/) ?? ["buildah"];
const [buildah = "", ...words] = given;
const version = spawnSync(buildah, [...words, "--version"], { encoding: "utf8" });
const skip = whyNot() || (version.status === 0 ? false : "buildah is not installed");
const nought = skip ? [] : await noughtCommand();

function run(command: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const [program = "", ...args] = command;
  const ran = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...env }, timeout: 120_000 });
  if (ran.status !== 0) throw new Error(`${command.join(" ")}: ${ran.stderr}`);
}

/** What buildah leaves where it mounts something. */
const LEFT = new Set(["/dev", "/proc", "/sys", "/run", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]);

function treeOf(picture: Picture): Picture {
  const tree = Object.fromEntries(Object.entries(picture.tree).filter(([path]) => !LEFT.has(path)));
  return { ...picture, tree };
}

for (const name of CASES)
  test(`golden with buildah: run-${name}`, { skip }, () => {
    const context = join(dir, name);
    mkdirSync(context);
    copyFileSync(BUSYBOX, join(context, "busybox"));
    writeFileSync(join(context, "passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
    writeFileSync(join(context, "group"), "root:x:0:\napp:x:1000:\nmore:x:2000:app\n");
    const text = readFileSync(join(GOLDEN, `run-${name}`, "Dockerfile"), "utf8");
    writeFileSync(join(context, "Dockerfile"), BASE + text.replace(/^FROM busybox/gm, "FROM base"));
    const [theirs, ours] = [join(dir, `${name}-theirs`), join(dir, `${name}-ours`)];
    const where = ["--root", join(dir, "root"), "--runroot", join(dir, "runroot"), "--storage-driver", "vfs"];
    run([buildah, ...words, ...where, "bud", "-q", "--isolation", "chroot", "--network", "host", "-t", `t-${name}`, context]);
    run([buildah, ...words, ...where, "push", "-q", `localhost/t-${name}`, `oci:${theirs}:t`]);
    run([...nought, "build", "-q", "--network=none", "-o", `type=oci,tar=false,dest=${ours}`, context], {
      NOUGHT_STORE: join(dir, "store"),
    });
    const found = compare(treeOf(readImage(theirs)), treeOf(readImage(ours)));
    // A directory's time is the build's where buildah made it anew.
    const told = found.filter((one) => one.field.startsWith("tree ") && !one.field.endsWith(" mtime"));
    assert.equal(describeDifferences(told), "");
  });
