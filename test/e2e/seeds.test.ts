/**
 * Dockerfiles of the kind that guides to scratch show (testdata/seeds): each parses, plans and passes the checks, and what follows
 * `FROM scratch` is built, with a folder in place of the builder stage, whose RUN needs the network.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { readImage } from "../golden/image.ts";
import { noughtCommand } from "../golden/nought.ts";
import { run } from "../golden/run.ts";

const root = join(import.meta.dirname, "../..");
const seeds = join(root, "testdata/seeds");
const command = await noughtCommand();
const dir = mkdtempSync(join(tmpdir(), "nought-seeds-"));
const env = { ...process.env, NOUGHT_STORE: join(dir, "store"), SOURCE_DATE_EPOCH: undefined, NO_COLOR: "1" };
const nought = (...args: string[]) => run(command, args, { cwd: dir, env });

/** Everything that any of the Dockerfiles takes out of its builder: a static program, users, certificates, time zones. */
function makeBuilder(to: string): void {
  const files: Record<string, string> = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nappuser:x:1001:1001::/home/appuser:/sbin/nologin\nmyuser:x:1001:1001::/:/sbin/nologin\n",
    "etc/group": "root:x:0:\nappuser:x:1001:\n",
    "etc/passwd.app": "app:x:10001:10001::/:\n",
    "etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----\n",
    "usr/share/zoneinfo/Etc/UTC": "TZif2",
    "usr/share/zoneinfo/UTC": "TZif2",
    "tmp/nsswitch.conf": "hosts: files dns\n",
    "tmp/hosts": "127.0.0.1 localhost\n",
    "app/package.json": "{}\n",
    "app/node_modules/dep/index.js": "\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(to, dirname(path)), { recursive: true });
    writeFileSync(join(to, path), text);
  }
  chmodSync(join(to, "tmp"), 0o1777);
  mkdirSync(join(to, "go/bin"), { recursive: true });
  for (const path of ["app/myapp", "app/app", "go/bin/app", "myapp"]) copyFileSync(join(root, "examples/whoami/whoami"), join(to, path));
}

before(() => makeBuilder(join(dir, "builder")));
after(() => rmSync(dir, { recursive: true, force: true }));

const all = globSync("*/*ockerfile*", { cwd: seeds }).sort();
/** Contexts in place of stages and images. */
const stand = [
  "builder",
  "alpine:latest",
  "golang:1.23-alpine",
  "golang:1.22-alpine",
  "golang:1.20",
  "golang:1.18.1",
  "node:20-alpine",
  "gcr.io/distroless/static-debian12",
  "gcr.io/distroless/nodejs20-debian12",
].flatMap((name) => ["--build-context", `${name}=builder`]);

test("there are Dockerfiles to try", () => assert.ok(all.length >= 9, all.join(" ")));

for (const name of all) {
  const file = join(seeds, name);
  test(`seeds: ${name} parses`, async () => {
    const { status, stdout, stderr } = await run(command, ["dockerfile", "parse", "--json", file], { cwd: dir, env });
    assert.equal(status, 0, stderr);
    const stages = readFileSync(file, "utf8").match(/^FROM /gm)?.length;
    assert.equal(JSON.parse(stdout).instructions.filter((one: { name: string }) => one.name === "from").length, stages);
  });

  test(`seeds: ${name} passes the checks`, async () => {
    const { status, stdout, stderr } = await nought("build", "--check", "-f", file, seeds);
    // A comment behind CMD ["index.js"] makes it a shell command: docker warns as well, and it is right.
    const right = name === "distroless/node.Dockerfile" ? ["JSONArgsRecommended"] : [];
    const found = [...new Set(`${stdout}${stderr}`.match(/\b[A-Z]\w+(?= - )/g) ?? [])];
    assert.deepEqual(found, right, stdout + stderr);
    assert.equal(status, right.length === 0 ? 0 : 1, stdout + stderr);
  });

  test(`seeds: ${name} plans, with and without its builder`, async () => {
    const images = stand.filter((word, k) => word !== "builder=builder" && stand[k + 1] !== "builder=builder");
    for (const contexts of [images, stand]) {
      const { status, stdout, stderr } = await nought("build", "--print", "plan", "-f", file, ...contexts, join(dir, "builder"));
      assert.equal(status, 0, stderr);
      assert.ok(JSON.parse(stdout), "the plan is JSON");
    }
  });

  test(`seeds: ${name} builds from a builder that is there already`, async () => {
    const out = join(dir, `image-${all.indexOf(name)}`);
    const words = ["build", "-q", "-f", file, ...stand, "-o", `type=oci,tar=false,dest=${out}`, join(dir, "builder")];
    const { status, stderr } = await run(command, words, { cwd: dir, env });
    assert.equal(status, 0, stderr);
    const image = readImage(out);
    const config = image.config.config as { Entrypoint?: string[]; Cmd?: string[]; User?: string };
    const program = (config.Entrypoint ?? config.Cmd ?? [])[0] ?? "";
    if (program.startsWith("/") && !program.endsWith("sh")) {
      assert.equal(image.tree[program]?.type, "file", `${program} is in the image`);
      assert.equal(image.tree[program]?.mode, "0755");
    }
    const lines = readFileSync(file, "utf8");
    const tail = lines.slice(lines.lastIndexOf("FROM "));
    const steps = tail.match(/^(?:COPY|ENV|USER|EXPOSE|ENTRYPOINT|CMD|WORKDIR) /gm)?.length;
    const base = tail.startsWith("FROM scratch") ? 0 : 1;
    assert.equal(
      image.history.length,
      (steps ?? 0) + base,
      "a line for each instruction after the last FROM, one for a folder, none for scratch",
    );
    if (name.startsWith("go-complete")) {
      assert.equal(config.User, "1001:1001");
      assert.equal(image.tree["/tmp"]?.type, "dir");
      assert.equal(image.tree["/usr/share/zoneinfo/Etc/UTC"]?.type, "file");
    }
  });
}
