/** Where the tools of `nought debug` come from. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { noMirror } from "../mirror.ts";
import { program } from "../program.ts";

const nought = await program();
nought.write({ "bare/Dockerfile": "FROM scratch\nCOPY one /\n", "bare/one": "1\n" });
nought.out("build", "-q", "-t", "bare", "bare");
const offline = { env: { http_proxy: "http://127.0.0.1:9", https_proxy: "http://127.0.0.1:9" } };
const names = () => nought.out("image", "ls", "--format", "{{.Repository}}").trim().split("\n").sort();
const noSandbox = whyNot();
// Apt's own proxy counts before that of the environment, so that the mirror cannot be made unreachable.
const ownProxy =
  /^Acquire::https?::Proxy/im.test(spawnSync("apt-config", ["dump"], { encoding: "utf8" }).stdout ?? "") && "apt has a proxy";

test("without a mirror that answers, debug takes the machine's busybox, says so once, and uses it from then on", {
  skip: noSandbox || ownProxy,
}, () => {
  const { status, stdout, stderr } = nought.run(["debug", "bare", "cat", "/target/one"], offline);
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "1\n");
  assert.match(stderr, /^NOTE: nought\/toolbox:latest could not be made \(.+\): the busybox of this machine is taken$/m);
  assert.deepEqual(nought.run(["debug", "bare", "cat", "/target/one"]), { status: 0, stdout: "1\n", stderr: "" });
  assert.deepEqual(names(), ["bare", "localhost/nought/toolbox"]);
  nought.out("rmi", "localhost/nought/toolbox");
});

test("debug makes nought/toolbox of Debian's packages once, with certificates, and takes one that a person gave that name", {
  skip: noSandbox || noMirror(),
}, () => {
  const line = "cat /target/one; grep -c BEGIN /etc/ssl/certs/ca-certificates.crt";
  assert.match(nought.out("debug", "bare", "sh", "-c", line), /^1\n\d{2,}\n$/);
  assert.deepEqual(names(), ["bare", "nought/toolbox"]);
  // Everything that it needs is in the store.
  assert.deepEqual(nought.run(["debug", "bare", "id", "-u"], offline), { status: 0, stdout: "0\n", stderr: "" });
  nought.write({ "own/Dockerfile": "FROM nought/toolbox\nCOPY <<end /mine\nmine\nend\n" });
  nought.out("build", "-q", "-t", "nought/toolbox", "own");
  const mine = nought.run(["debug", "bare", "cat", "/mine"]);
  assert.equal(mine.stdout, "mine\n");
  assert.match(mine.stderr, /^NOTE: nought\/toolbox:latest is taken from the store/);
  nought.out("rmi", "nought/toolbox");
});

test("--image takes any of nought's own images, made where it is not there, and says what is none", {
  skip: noSandbox || noMirror(),
}, () => {
  assert.match(nought.out("debug", "--image", "nought/busybox", "bare", "ls", "/target"), /^one$/m);
  const { status, stderr } = nought.run(["debug", "--image", "nought/nosuch", "bare", "ls"]);
  assert.equal(status, 1);
  assert.match(stderr, /No such image: nought\/nosuch:latest/);
});

test("an image that a person gave one of nought's own names wins, and the output says so: FROM, COPY --from and run", () => {
  nought.write({
    "mine/Dockerfile": "FROM scratch\nCOPY mine /\n",
    "mine/mine": "mine\n",
    "use/Dockerfile": "FROM nought/static\nCOPY --from=nought/certs:nonsense / /certs/\n",
  });
  nought.out("build", "-q", "-t", "nought/static", "-t", "nought/certs:nonsense", "mine");
  const built = nought.run(["build", "--progress", "plain", "-o", "type=tar,dest=use.tar", "use"]);
  assert.equal(built.status, 0, built.stderr);
  for (const name of ["nought/static:latest", "nought/certs:nonsense"])
    assert.match(built.stderr, new RegExp(`NOTE: (?:docker.io/)?${name} is taken from the store, where it was given that name`));
  assert.equal(nought.shell("tar tf use.tar").stdout, "certs/\ncerts/mine\nmine\n");
  const ran = nought.run(["create", "nought/static", "/mine"]);
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stderr, /^NOTE: nought\/static:latest is taken from the store, where it was given that name: it is not nought's own$/m);
  nought.out("rm", ran.stdout.trim());
});
