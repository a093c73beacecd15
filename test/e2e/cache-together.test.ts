import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program } from "../program.ts";

const nought = await program();
const BUSYBOX = "/bin/busybox";
const isRoot = process.platform === "linux" && process.getuid?.() === 0;
const skip = isRoot ? (existsSync(BUSYBOX) ? false : "no static busybox") : "not root";
const COUNT = 6;

/** Each adds one to a number, slowly: without a lock, some would not be counted. */
const dockerfile = (at: number, sharing: string) =>
  [
    "FROM scratch",
    "COPY --chmod=755 busybox /bin/busybox",
    'SHELL ["/bin/busybox","sh","-c"]',
    `RUN --mount=type=cache,id=${sharing},sharing=${sharing},target=/c : ${at}; n=$(/bin/busybox cat /c/n || echo 0); /bin/busybox sleep 0.3; echo $((n+1)) >/c/n; /bin/busybox touch /c/${at}`,
    `RUN --mount=type=cache,id=${sharing},sharing=${sharing},target=/c /bin/busybox cat /c/n; echo files $(/bin/busybox ls /c | /bin/busybox wc -l)`,
    "",
  ].join("\n");

for (const sharing of ["locked", "shared", "private"] as const) {
  test(`S13: ${COUNT} builds at once share a base and a cache mount: ${sharing}`, { skip, timeout: 180_000 }, async () => {
    const builds = Array.from({ length: COUNT }, (_, at) => {
      const name = `${sharing}-${at}`;
      nought.write({ [`${name}/Dockerfile`]: dockerfile(at, sharing) });
      writeFileSync(join(nought.dir, name, "busybox"), readFileSync(BUSYBOX));
      const child = nought.start(["build", "--progress", "plain", name]);
      let text = "";
      child.stderr?.on("data", (piece) => (text += piece));
      return new Promise<string>((resolve, reject) =>
        child.once("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`ended with ${code}: ${text}`)))),
      );
    });
    await Promise.all(builds);
    const mounts = nought.out("cache", "ls", "--filter", `id=${sharing}`, "--format", "{{.ID}} {{.Reclaimable}}").trim().split("\n");
    assert.ok(
      mounts.every((line) => line.endsWith("true")),
      "nobody has them any more",
    );
    if (sharing !== "private") assert.equal(mounts.length, 1);
    else assert.ok(mounts.length > 1 && mounts.length <= COUNT, `${mounts.length} copies`);
    if (sharing === "private") return;
    nought.write({ "look/Dockerfile": dockerfile(99, sharing).replace(/^RUN .*: 99;.*$/m, "") });
    writeFileSync(join(nought.dir, "look/busybox"), readFileSync(BUSYBOX));
    const { stderr } = nought.run(["build", "--progress", "plain", "look"]);
    const [, number] = /^#\d+ [0-9.]+ (\d+)$/m.exec(stderr) ?? [];
    if (sharing === "locked") assert.equal(number, String(COUNT), stderr);
    assert.match(stderr, new RegExp(`files ${COUNT + 1}$`, "m"));
  });
}
