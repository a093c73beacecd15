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

test("builds beside prunes of everything: no step misses a layer, and no mount goes while it is used", {
  skip,
  timeout: 180_000,
}, async () => {
  const text = [
    "FROM scratch",
    "COPY --chmod=755 busybox /bin/busybox",
    'RUN --mount=type=cache,id=beside,target=/c ["/bin/busybox","touch","/NAME"]',
    'RUN ["/bin/busybox","mkdir","/d"]',
    'RUN --mount=type=cache,id=beside,target=/c ["/bin/busybox","touch","/d/NAME","/c/NAME"]',
    "",
  ].join("\n");
  const ended = (args: readonly string[]) =>
    new Promise<string | undefined>((resolve) => {
      const child = nought.start(args);
      let said = "";
      child.stderr?.on("data", (piece) => (said += piece));
      child.once("close", (code) => resolve(code === 0 ? undefined : `nought ${args.join(" ")} ended with ${code}: ${said}`));
    });
  const building = new Set(["one", "two"]);
  const builds = [...building].map(async (name) => {
    nought.write({ [`${name}/Dockerfile`]: text.replaceAll("NAME", name) });
    writeFileSync(join(nought.dir, name, "busybox"), readFileSync(BUSYBOX));
    const failed: (string | undefined)[] = [];
    for (let at = 0; at < 4; at++) failed.push(await ended(["build", "--progress", "plain", "--no-cache", "-t", name, name]));
    building.delete(name);
    return failed;
  });
  const prunes = async () => {
    const failed: (string | undefined)[] = [];
    while (building.size > 0) failed.push(await ended(["system", "prune", "-a", "-f"]), await ended(["cache", "prune", "-a", "-f"]));
    return failed;
  };
  const failed = (await Promise.all([...builds, prunes()])).flat().filter((one) => one !== undefined);
  assert.deepEqual(failed, []);
});
