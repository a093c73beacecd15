/**
 * The whole sequence of commands of the guide "knowing-scratch-image" (testdata/seeds/knowing), with the same meaning of their output: the
 * reserved name, an image from a multi-stage build with RUN, a container without a shell, and a second image that looks into it.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Containers, people } from "../containers.ts";
import { MESSAGE, scratchProgram } from "../scratch-program.ts";

const seeds = join(import.meta.dirname, "../../testdata/seeds/knowing");

/** What stands for golang:1.18.1: a shell, and a `go` that has compiled already. */
function makeGolang(box: Containers, root: string): void {
  for (const folder of ["bin", "etc", "tmp", "usr/lib", "root"]) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  for (const name of ["sh", "mkdir", "cp", "chmod", "dirname", "echo"]) symlinkSync("busybox", join(root, "bin", name));
  writeFileSync(join(root, "usr/lib/app"), scratchProgram());
  const go = '#!/bin/sh\n[ "$1 $2 $4" = "build -o ." ] || exit 2\nmkdir -p "$(dirname "$3")" && cp /usr/lib/app "$3" && chmod 755 "$3"\n';
  writeFileSync(join(root, "bin/go"), go);
  chmodSync(join(root, "bin/go"), 0o755);
  box.owned(root);
}

for (const { who, user, skip: missing } of people()) {
  const skip = missing || (process.arch === "x64" ? false : "the program of this test is for x86-64");
  describe(`the seed's commands as ${who}`, { skip }, () => {
    let box: Containers;
    before(async () => {
      box = await Containers.make(user);
      makeGolang(box, join(box.dir, "golang"));
      mkdirSync(join(box.dir, "context"));
      for (const name of ["Dockerfile", "Dockerfile-simple"]) copyFileSync(join(seeds, name), join(box.dir, "context", name));
      box.out("tag", "bb", "ubuntu");
    });
    after(() => box?.[Symbol.dispose]());
    const single = who.includes("single");

    test("scratch is a reserved name, not an image", () => {
      for (const words of [
        ["image", "pull", "scratch"],
        ["container", "run", "scratch"],
      ]) {
        const { status, stderr } = box.run(words);
        assert.notEqual(status, 0);
        assert.match(stderr, /'scratch' is a reserved name/);
      }
      assert.match(box.run(["manifest", "get", "scratch"]).stderr, /manifest unknown/i);
    });

    test("build, list, run and look at the history", () => {
      const build = ["image", "build", "--build-context", "golang:1.18.1=golang", "--file", "context/Dockerfile-simple"];
      const { stderr, status } = box.run([...build, "--progress", "plain", "--tag", "knowing-scratch-image", "context"]);
      assert.equal(status, 0, stderr);
      for (const step of [
        "[builder 2/4] WORKDIR /app",
        "[builder 3/4] COPY . .",
        "[builder 4/4] RUN CGO_ENABLED=0 go build -o /go/bin/app .",
      ])
        assert.ok(stderr.includes(step), stderr);
      assert.match(stderr, /COPY --from=builder \/go\/bin\/app \/app/);
      const list = box.out("image", "ls", "knowing-scratch-image").split("\n");
      assert.match(list[0] as string, /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
      assert.match(list[1] as string, /^knowing-scratch-image +latest +[0-9a-f]{12} +.* ago +\d+B$/);
      assert.equal(box.out("container", "run", "--rm", "knowing-scratch-image", "three"), MESSAGE.repeat(3));
      const history = box.out("image", "history", "knowing-scratch-image", "--format", "table {{.CreatedBy}}\\t{{.Size}}");
      assert.match(history, /^CREATED BY +SIZE\nENTRYPOINT \["\/app"\] +0B\nCOPY \/go\/bin\/app \/app # buildkit +\d+B\n$/);
    });

    test("a container without a shell, and a second image that looks into it", () => {
      const id = box.out("container", "run", "--detach", "knowing-scratch-image").trim();
      assert.match(id, /^[0-9a-f]{64}$/);
      const latest = box.out("container", "ls", "--latest", "--quiet").trim();
      assert.equal(latest, id.slice(0, 12));
      const exec = box.shell(`script -qec "nought container exec -it ${latest} bash" /dev/null`);
      assert.match(exec.stdout, /exec: "bash": executable file not found in \$PATH/);
      assert.match(exec.stdout, /nought debug/);
      assert.equal(exec.status, 127);
      assert.match(lookedInto(box, latest), /\n +1 (?:root|0) +\/app\r?\n/);
      box.out("container", "rm", "-f", latest);
    });

    test("the same as a user who is not root", () => {
      const build = [
        "image",
        "build",
        "--no-cache",
        "--build-context",
        "golang:1.18.1=golang",
        "--tag",
        "knowing-scratch-image",
        "context",
      ];
      assert.equal(box.run(build).status, 0);
      box.out("container", "run", "--detach", "knowing-scratch-image");
      const latest = box.out("container", "ls", "--latest", "--quiet").trim();
      // With one id there is nobody else to be.
      const line = single ? /\n +1 (?:root|0) +\/app\r?\n/ : /\n +1 10001 +\/app\r?\n/;
      assert.match(lookedInto(box, latest), line);
      // And what nought has of its own for it, where there is no such image.
      const tools = box.out("debug", latest, "ps", "aux");
      assert.match(tools, line);
      assert.match(tools, /^PID +USER +COMMAND\n/);
      assert.equal(box.out("debug", "-c", "cat /target/etc/passwd", latest), "app:x:10001:10001::/:\n");
      box.out("container", "rm", "-f", latest);
    });
  });
}

/** `run --rm -it --pid container:ID ubuntu`, and `ps aux` typed there. */
function lookedInto(box: Containers, id: string): string {
  const { stdout } = box.shell(
    `printf 'ps aux\\nexit\\n' | script -qec "nought container run --rm -it --pid container:${id} ubuntu sh" /dev/null`,
  );
  return stdout;
}
